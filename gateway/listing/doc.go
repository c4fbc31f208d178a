// Package listing makes the pages of a registry's lists that somebody may see: of its
// repositories, and of the tags of one. A [Pager] reads the registry's own list page by
// page and leaves out what is hidden, so that each page is as full as the client asks for,
// and neither a name nor a link tells of what was left out.
package listing
