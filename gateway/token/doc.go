// Package token seals what a gateway knows of somebody who has logged in into a text that
// the client keeps and sends with its next requests, and reads such texts.
//
// A token is a proof of who somebody is. It is no decision: rules, groups and the state of
// the account are asked at every request. Its scopes can only take something away from
// what the rules allow.
//
// The text is encrypted (AES-256-GCM), so that clients see neither names of the directory
// nor anything else of it. Each purpose has a key of its own, which is derived from a key
// of the [Keyring]: a token for one purpose is none for another.
package token
