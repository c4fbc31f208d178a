package fault

import "strings"

// Catalogue returns all codes, with what each means and what to do, as they stand
// in docs/errors.md.
func Catalogue() []Group {
	return []Group{
		{"Logins", logins},
		{"Lock-out shield, flood control, cache", guards},
		{"Backends", backends},
		{"Password files", passwordFiles},
		{"Connections to a directory", connections(
			"ldap", "the directory server", "`urls` of the backend", "`ca_file` of the backend", "`server_name` of the backend")},
		{"Directory", directory},
		{"Service account of a directory", serviceAccount},
		{"Users of a directory", directoryUsers},
		{"Groups of a directory", directoryGroups},
		{"Connections to an upstream", connections(
			"upstream", "the upstream", "`upstream` of the route", "`ca_file` of the upstream", "`server_name` of the upstream")},
		{"Upstream", upstream},
		{"Requests", requests},
		{"Configuration and reload", configuration},
		{"Files", files},
		{"Certificates of the gateway", certificates},
		{"Listeners", listeners},
		{"Records of requests, and the system around", records},
	}
}

// connections returns the entries for connections to the servers of an area: what
// they are, and which keys have their address, the authorities to trust and the
// name to verify.
func connections(area, server, address, authorities, name string) []Entry {
	fill := strings.NewReplacer("{server}", server, "{address}", address, "{authorities}", authorities, "{name}", name)
	entries := make([]Entry, len(connection))
	for i, e := range connection {
		entries[i] = Entry{Code(area) + "." + e.Code, fill.Replace(e.Means), fill.Replace(e.Do)}
	}
	return entries
}

// connection holds what can go wrong with a connection, whatever it leads to.
var connection = []Entry{
	{"dns.not_found", "The name of {server} does not exist in DNS.", "Check the name in {address} and the resolver of this machine (/etc/resolv.conf)."},
	{"dns.failed", "DNS gave no answer about the name of {server}.", "Check that the resolver of this machine answers (/etc/resolv.conf), and that no firewall is in between."},
	{"tcp.refused", "Nothing listens at the address of {server}, or a firewall says so.", "Check the port in {address}, and that the service runs there."},
	{"tcp.unreachable", "There is no way through the network to {server}.", "Check the routes of this machine, and whether it has an address of the family (IPv4, IPv6) that the name leads to."},
	{"tcp.lost", "The connection to {server} ended in the middle of something.", "Look into the log of the other side for why it ended; behind a load balancer or firewall, compare its idle time with the one configured here."},
	{"timeout", "{server} took longer than it may, or does not answer at all.", "A firewall may drop the packets, or the address is dead: try it by hand, and take dead addresses out of {address} and DNS. If it is slow, find out why before raising the time limit."},
	{"socket.missing", "There is no socket at the path.", "Check the path in {address}, and that the service has been started."},
	{"socket.forbidden", "The user that gatehouse runs as may not connect.", "Give that user the right to write to the socket, such as by its group; for an address of the network look at the rules of the firewall."},
	{"descriptors", "This process has no file descriptors left.", "Raise the limit (LimitNOFILE= of the unit), which must be more than twice the number of clients at once."},
	{"tls.unknown_authority", "The certificate of {server} was issued by an authority that is not trusted here.", "Put the certificate of that authority into a file, in PEM, and name it in {authorities}."},
	{"tls.wrong_name", "The certificate of {server} is for another name.", "Write a name that the certificate has into {address}, or set {name}."},
	{"tls.expired", "The certificate of {server} has expired or is not valid yet.", "Have the certificate renewed, or set the clock of this machine."},
	{"tls.invalid_certificate", "The certificate of {server} is not good for a server, or its chain is broken.", "Have it issued anew for server authentication, with all intermediate certificates sent along."},
	{"tls.not_tls", "{server} answers with something that is not TLS.", "Check the port in {address}: a directory that encrypts after StartTLS takes ldap:// and `start_tls = true`, an upstream in the clear http://."},
	{"tls.refused", "The TLS handshake was refused, by an alert of one of the two sides.", "See the text: the other side may want a client certificate (cert_file, key_file) or speak no version from TLS 1.2 on."},
	{"failed", "The connection to {server} failed in a way that has no code of its own.", "See the text of the error."},
}

var logins = []Entry{
	{"login.unknown_user", "No backend of the route knows the user.", "Nothing, if the name is wrong. Otherwise look for the user with `gatehouse doctor --user NAME`, or in the password file."},
	{"login.wrong_password", "The password is wrong.", "Have the user type it again, and log out first where a client has stored an old one."},
	{"login.locked", "The user may not log in whatever the password.", "Unlock or enable the account where it is kept; the text says what the backend told."},
	{"login.malformed", "The Authorization field is no user name and password as RFC 7617 has them.", "Correct the client: it wants the Basic scheme, UTF-8, and no control characters."},
	{"login.bad_name", "A backend vouched for a user whose name is empty or has control characters.", "Correct the entry of the user."},
}

var guards = []Entry{
	{"shield.repeated", "A password that was wrong a moment ago came again, and the backend was not asked once more.", "Find the client that goes on sending it; the source is in the access record. `gatehouse cache purge --user NAME` has it forgotten."},
	{"shield.locked", "The account was locked a moment ago, and the backend was not asked once more.", "Unlock the account where it is kept, and have it forgotten with `gatehouse cache purge --user NAME`."},
	{"shield.withheld", "So many passwords of the user were wrong that another one could lock the account, so it was not tried.", "Find who sends them, by the sources in the access record. Wait for `failure_window`, or let the user in again with `gatehouse cache purge --user NAME`."},
	{"shield.unclear", "Passwords of the user got no answer, which may count as wrong in the directory; none is tried until they are forgotten.", "Look for the outage before it; then as for shield.withheld."},
	{"shield.full", "There are more users with wrong passwords than the shield can count.", "Somebody guesses names: find the sources in the access record and keep them out."},
	{"flood.throttled", "Too many logins failed, from one source or in all, so that they have to wait (429).", "Find the source in the access record: a client with an old password, or somebody who guesses. If many users share an address, raise the limits of `[flood]`."},
	{"flood.waiting", "The time of a login was over while others before it had no answer yet.", "The backend is slow or failing: look for other codes at the same time."},
	{"cache.unanswered", "The backend did not answer in the time that a login may take.", "Look for other codes of the backend at the same time, and compare its time limits."},
}

var backends = []Entry{
	{"backend.unavailable", "A backend could not be asked, and there is no closer cause (503).", "See the text, and the codes before it in the log."},
	{"backend.overloaded", "So many passwords are being checked that another would have to wait too long.", "Find out who logs in so often; a cheaper hash (bcrypt cost 10) or more processors let more through."},
	{"backend.gave_up", "The client, or the time of the login, ended before there was an answer.", "Nothing, if it is rare. Otherwise find out which backend is slow."},
	{"backend.panic", "A backend failed in an unforeseen way: this is a bug of gatehouse.", "Report it with the stack in the log, which holds no password."},
}

var passwordFiles = []Entry{
	{"htpasswd.users.malformed", "There are lines in the users file that cannot be used; at the start nothing is served, later the last good file stays in use.", "Correct the lines that the text names, or set the passwords anew with `gatehouse passwd`."},
	{"htpasswd.groups.malformed", "There are lines in the groups file that cannot be used; at the start nothing is served, later the last good file stays in use.", "Correct the lines that the text names: GROUP: NAME NAME…"},
}

var upstream = []Entry{
	{"upstream.answer.late", "The upstream took a request and did not begin to answer in time (504).", "Look into its log. If it needs long for large layers, raise `upload_response` under `[timeouts]`."},
	{"upstream.answer.invalid", "The upstream answered with something that is not valid HTTP (502).", "Check that the address is that of an HTTP service; see the text for what is wrong with the answer."},
	{"upstream.answer.unlimited", "The upstream's answer has no end but that of its connection, which cannot be told from a broken one (502).", "Have the upstream send Content-Length or chunks."},
	{"upstream.answer.broken_off", "The upstream's answer broke off; the client was made to notice.", "Look into the log of the upstream for that time, and for proxies in between with limits of size or time."},
	{"upstream.answer.login", "The upstream asks for a login of its own (502).", "Set the user and password of the upstream, or `forward_authorization = true`, or take the login out of the upstream."},
	{"upstream.unreachable", "The upstream cannot be reached, and there is no closer cause (503).", "See the text of the error."},
}

var requests = []Entry{
	{"request.body_broken_off", "The body of a request broke off before its end: the client went away or was too slow.", "Nothing, if it is rare. Otherwise look for proxies and time limits between the client and the gateway."},
	{"request.body_malformed", "The body of a request is not chunked as RFC 9112 has it (400).", "Correct the client, or the proxy before the gateway."},
	{"request.client_gone", "The client went away before it had the whole answer.", "Nothing, if it is rare. Otherwise look for time limits of clients and proxies."},
	{"request.panic", "The gateway failed in an unforeseen way: this is a bug of gatehouse.", "Report it with the stack in the log."},
}
