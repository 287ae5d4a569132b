// Package groupcommit stores what many callers hand over in groups.
//
// A commit costs the same for one row as for hundreds. So while a group is
// being stored, all that arrives waits in a queue, of which the next group is
// made. Nobody waits for a timer, and groups grow by themselves as callers become
// more or the database becomes slower. Where callers wait for their items, a group
// has half of them, so that the others work while it is stored.
//
// Group forms the groups. Bisect stores one, and finds the items that the
// database refuses, so that they do not fail the others of their group.
package groupcommit
