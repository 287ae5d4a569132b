// Package clienttest runs clients that strangers wrote against package manage:
// two of ActiveCampaign's from the npm registry, unmodified, curl as the
// documentation has it, and a browser on the page.
package clienttest
