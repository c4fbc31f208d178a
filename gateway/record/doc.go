// Package record writes what a request leaves behind: a line in the access log, and a
// line in the audit log. It knows nothing of how requests are served.
//
//	access.go     what the access log says of a request, in its forms: begin here
//	apache.go     the forms that Apache httpd has
//	audit.go      what the audit log says of a decision
//	writer.go     takes the lines of the access log
//	audit_log.go  takes those of the audit log, which promises room and opens its file anew
//	queue.go      holds the lines of both while they wait, within bounds
//	json_line.go  an object of JSON in one line
//
// Whatever a client has chosen is escaped and cut, so that no text makes a second line.
// The package imports package fault, for the code of what went wrong, and package shown,
// for the escapes.
package record
