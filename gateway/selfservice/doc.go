// Package selfservice is the page on which people make tokens of their own, list, rotate and
// revoke them: a page without scripts for browsers, and the same as JSON for programs.
//
// It is told who has logged in and what was sent, and returns what is answered. Whoever calls
// it has made sure that the login was one with a password, and that no page of another site
// has sent the form. It knows nothing of connections and rules.
package selfservice
