// Package clienttest runs clients that strangers wrote against package manage:
// clients of ActiveCampaign from the npm registry, unmodified, curl as the
// documentation has it, and a browser on the page. It mounts the page and the
// APIs on other routers than net/http.
package clienttest
