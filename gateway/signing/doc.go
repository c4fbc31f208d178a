// Package signing makes the tokens by which a registry that has token authentication
// (auth: token) learns what the gateway has decided about one request: JSON Web Tokens as
// the distribution project specifies them, with the certificate of their key in x5c.
//
//	signer.go  what tokens are made for, and how: begin here
//	key.go     the key and its certificate, read and made
//	recent.go  tokens that are used again for a moment
//
// They are for the registry alone. Clients never get one, and none is in a log.
package signing
