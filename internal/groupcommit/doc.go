// Package groupcommit collects the items of many callers in groups, and stores a group
// in one call.
//
// A commit costs the same for one row as for hundreds. So while a group is being
// stored, arriving items wait in a queue, and the next group is taken from it. Nobody
// waits for a timer, and groups grow by themselves as callers become more or the
// database becomes slower. Where callers wait for their items, a group has the items of
// half of the callers, so that the other half works while it is stored.
//
// Group forms the groups. Bisect stores one, and finds the items that the
// database refuses, so that they do not fail the others of their group.
package groupcommit
