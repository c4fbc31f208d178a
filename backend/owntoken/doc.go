// Package owntoken keeps the tokens that an account owns, with which people and robots log in
// in place of a password, and makes and ends them.
//
// A token has an owner, whose rights of the very moment are all that it can have, and limits
// that narrow them. It always ends. Its secret is shown once and not kept: a [Store] has a
// hash of it. [Journal] is the Store in a file, and an [Issuer] says who gets a token.
//
// The sealed tokens that clients fetch at the address for tokens are another thing, which is
// kept nowhere; see gatehouse/gateway/token.
package owntoken
