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
		{"Connections to a directory", connections("ldap", peer{
			"the directory server", "`urls` of the backend", "`ca_file` of the backend", "`server_name` of the backend",
			"a directory that encrypts after StartTLS takes ldap:// and `start_tls = true`"})},
		{"Directory", directory},
		{"Service account of a directory", serviceAccount},
		{"Users of a directory", directoryUsers},
		{"Groups of a directory", directoryGroups},
		{"Connections to an upstream", connections("upstream", peer{
			"the upstream", "`upstream` of the route", "`upstream_ca_file` of the route", "`upstream_server_name` of the route",
			"an upstream without TLS takes http://"})},
		{"Upstream", upstream},
		{"Rules and routes", decisions},
		{"Requests", requests},
		{"Tokens", tokens},
		{"Configuration and reload", configuration},
		{"Files", files},
		{"Certificates of the gateway", certificates},
		{"Listeners", listeners},
		{"Records of requests, and the system around", records},
	}
}

// peer says in words what a connection leads to, and which keys have its address,
// the authorities to trust and the name to verify. Plain says what to write for a server
// that does not begin with TLS.
type peer struct{ server, address, authorities, name, plain string }

// connections returns the entries for connections to the servers of an area.
func connections(area string, to peer) []Entry {
	fill := strings.NewReplacer("{server}", to.server, "{address}", to.address, "{authorities}", to.authorities, "{name}", to.name, "{plain}", to.plain)
	entries := make([]Entry, len(connection))
	for i, e := range connection {
		entries[i] = Entry{Code(area) + "." + e.Code, fill.Replace(e.Means), fill.Replace(e.Do)}
	}
	return entries
}

// connection holds what can go wrong with a connection, whatever it leads to.
var connection = []Entry{
	{"dns.not_found", "The name of {server} does not exist in DNS.", "check the name in {address} and the resolver of this machine (/etc/resolv.conf)"},
	{"dns.failed", "DNS gave no answer about the name of {server}.", "check that the resolver of this machine answers (/etc/resolv.conf), and that no firewall is in between"},
	{"tcp.refused", "Nothing listens at the address of {server}, or a firewall rejects the connection.", "check the port in {address}, and that the service runs there"},
	{"tcp.unreachable", "There is no way through the network to {server}.", "check the routes of this machine, and whether it has an address of the family (IPv4, IPv6) that the name leads to"},
	{"tcp.lost", "{server} closed the connection during a request or an answer.", "look into the log of the other side for why it ended; behind a load balancer or firewall, compare its idle time with the one configured here"},
	{"timeout", "{server} took longer than it may, or does not answer at all.", "if nothing answers, a firewall may drop the packets, or the address is dead: take it out of {address} and DNS. If it is slow, find out why before raising the time limit"},
	{"socket.missing", "There is no socket at the path.", "check the path in {address}, and that the service has been started"},
	{"socket.forbidden", "The user that gatehouse runs as may not connect.", "give that user the right to write to the socket, such as by its group; for an address of the network look at the rules of the firewall"},
	{"descriptors", "This process has no file descriptors left.", "raise the limit (LimitNOFILE= of the unit), which must be more than twice the number of clients at once"},
	{"tls.unknown_authority", "The certificate of {server} was issued by an authority that is not trusted here.", "put the certificate of that authority into a file, in PEM, and name it in {authorities}"},
	{"tls.wrong_name", "The certificate of {server} is for another name.", "write a name that the certificate has into {address}, or set {name}"},
	{"tls.no_names", "The certificate of {server} has no subjectAltName, which is the only place where names count.", "have it issued anew with a subjectAltName for the name in {address}; no setting here makes up for it"},
	{"tls.negative_serial", "The serial number of the certificate of {server} is negative, which RFC 5280 forbids.", "have the certificate issued anew with a positive serial number; until then set GODEBUG=x509negativeserial=1 in the environment of gatehouse"},
	{"tls.malformed_certificate", "The certificate of {server} is not well formed.", "have it issued anew by other software: the text says what is wrong with it, and nothing makes gatehouse take it"},
	{"tls.expired", "The certificate of {server} has expired or is not valid yet.", "have the certificate renewed, or set the clock of this machine"},
	{"tls.invalid_certificate", "The certificate of {server} is not good for a server, or its chain is broken.", "have it issued anew for server authentication, with all intermediate certificates sent along"},
	{"tls.not_tls", "{server} answers with something that is not TLS, or hangs up when TLS begins.", "check the port in {address}: {plain}"},
	{"tls.refused", "One of the two sides ended the TLS handshake with an alert.", "see the text: the other side may want a client certificate (cert_file, key_file) or speak no version from TLS 1.2 on"},
	{"failed", "The connection to {server} failed in a way that has no code of its own.", "see the text of the error"},
}

var logins = []Entry{
	{"login.required", "A rule needs a login, and the request brings no user name and password (401). Every login of docker, and of a browser, begins so.", "nothing, if the client logs in next"},
	{"login.unknown_user", "No backend of the route knows the user.", "nothing, if the name is wrong. Otherwise ask `gatehouse whoami NAME`, and for a directory `gatehouse doctor --user NAME`, which looks for why the user is not found"},
	{"login.wrong_password", "The password is wrong.", "have the user type it again, and log out first where a client has stored an old one"},
	{"login.replaced", "Another account was made under the name of one that had logged in before.", "nothing, if that was meant: logins and tokens of the account before have ended"},
	{"login.outdated", "The password was changed after a login that was remembered.", "nothing: the next request with the new password is let in"},
	{"login.forgotten", "A login was remembered, and the groups that were read with it had to be forgotten for lack of memory.", "nothing: the next request logs in again; where it happens often, give gatehouse more memory, or a service account (bind_dn)"},
	{"login.locked", "The user may not log in whatever the password.", "unlock or enable the account where it is kept; the text says what the backend told"},
	{"login.crowded", "Too many requests were waiting for a login. Users who are not remembered got 503, and no backend was asked about them.", "find the sources in the access record: somebody floods the gateway. If they all mean well, give it more memory"},
	{"login.malformed", "The Authorization field is not a user name and password in the form of RFC 7617.", "correct the client: it wants the Basic scheme, UTF-8, and no control characters"},
	{"login.connections", "A user has half of all connections that clients may have. One more was answered with 503.", "find the source in the access record. If that user means well, as many robots may with one name, raise `connections` under `[limits]`, the limit of file descriptors, or the memory"},
	{"login.bad_name", "A backend vouched for a user whose name is empty or has control characters.", "correct the entry of the user"},
}

var guards = []Entry{
	{"shield.repeated", "The same wrong password was sent again. It was refused without asking the backend.", "find the client that goes on sending it; the source is in the access record. `gatehouse cache purge --user NAME` has it forgotten"},
	{"shield.locked", "The account was locked a moment ago. The login was refused without asking the backend.", "unlock the account where it is kept, and have it forgotten with `gatehouse cache purge --user NAME`"},
	{"shield.withheld", "There were too many wrong passwords for this user. One more could lock the account, so gatehouse did not try it.", "find who sends them, by the sources in the access record. Wait for `failure_window`, or let the user in again with `gatehouse cache purge --user NAME`"},
	{"shield.unclear", "The directory gave no answer to some passwords of the user, and may have counted them as wrong. gatehouse passes on no more of them until `failure_window` is over.", "look in the log for the outage before it. Wait for `failure_window`, or let the user in again with `gatehouse cache purge --user NAME`"},
	{"shield.full", "There are more users with wrong passwords than the shield can count.", "somebody guesses names: find the sources in the access record and keep them out"},
	{"flood.throttled", "Too many logins failed at one backend that a route names, from one address or in total. Further logins are rate-limited (429); cached logins are unaffected.", "find the source in the access record: a client with an old password, or somebody who guesses. If many users share an address, raise the limits of `[flood]`"},
	{"flood.waiting", "A login waited behind others until its time was over.", "the backend is slow or failing: look for other codes at the same time"},
	{"cache.unanswered", "The backend did not answer in the time that a login may take.", "look for other codes of the backend at the same time, and compare its time limits"},
}

var backends = []Entry{
	{"backend.unavailable", "A backend could not be asked (503), and no other code fits.", "see the text of the error, and the codes before it in the log"},
	{"backend.overloaded", "Too many passwords are being checked. One more would have to wait too long.", "find out who logs in so often; a cheaper hash (bcrypt cost 10) or more processors let more through"},
	{"backend.gave_up", "The client went away, or the time of the login was over, before there was an answer.", "nothing, if it is rare. Otherwise find out which backend is slow"},
	{"backend.panic", "A backend failed in an unexpected way. This is a bug in gatehouse.", "report it with the stack in the log; the stack holds no password"},
}

var passwordFiles = []Entry{
	{"htpasswd.users.malformed", "The users file has lines that cannot be used. At the start gatehouse does not run. Later the last good file stays in use.", "correct the lines that the text names, or set the passwords anew with `gatehouse passwd`"},
	{"htpasswd.groups.malformed", "The groups file has lines that cannot be used. At the start gatehouse does not run. Later the last good file stays in use.", "correct the lines that the text names: GROUP: NAME NAME…"},
}

var upstream = []Entry{
	{"upstream.answer.late", "The upstream took a request and did not begin to answer in time (504).", "look into its log. If it needs long for large layers, raise `upload_response` under `[timeouts]`"},
	{"upstream.answer.invalid", "The upstream answered with something that is not valid HTTP (502).", "check that the address is that of an HTTP service; see the text for what is wrong with the answer. Where it names a field that stands more than once, have that field sent once: a proxy in front of the upstream may add the second one"},
	{"upstream.answer.unlimited", "Only the end of the connection marks the end of the upstream's answer, so gatehouse cannot tell whether the answer is complete (502).", "have the upstream send `Content-Length`, or chunks (`Transfer-Encoding: chunked`)"},
	{"upstream.answer.broken_off", "The answer of the upstream broke off. The connection to the client was closed, so that the client notices.", "look into the log of the upstream for that time, and for proxies in between with limits of size or time"},
	{"upstream.answer.login", "The upstream asks for a login of its own, by a challenge beside 401 or by 407 (502).", "set the user and password of the upstream, or `forward_authorization = true`, or take the login out of the upstream"},
	{"upstream.answer.token_refused", "The upstream, which has token authentication, refuses the token that the gateway has signed for a request (502). The text says how.", "compare the configuration of the registry with what `gatehouse token upstream-config` prints: `issuer`, `service`, and the certificate in `rootcertbundle`. Compare the clocks. The log of the registry says more"},
	{"upstream.answer.token_shown", "An answer has the token in it that the gateway has signed for the request. It is not passed on (502), or is cut off where the token stands in its body.", "find what puts fields of a request into its answer, the registry or a proxy before it, and have it stop"},
	{"upstream.token.key", "A key for tokens for an upstream, or its certificate, cannot be used. At the start gatehouse does not run. Later the old one stays in use.", "correct what the text says, or make a key with `gatehouse token key --upstream`"},
	{"upstream.token.not_signed", "No token can be signed for an upstream, because the certificate of the key has ended (503).", "make another key with `gatehouse token key --upstream`, and give the registry its certificate"},
	{"upstream.answer.no_list", "The upstream was asked for its repositories or tags and gave something else than a list of them, or one longer than 64 MiB (502).", "ask the upstream for the same path and compare: its answer has to be JSON with the names in `repositories` or `tags`"},
	{"request.held_memory", "Lists that are filtered and manifests that are held for `immutable_tags` take all the memory that there is for them, or those of one client take the share of one (503).", "try again. If it happens often, give the process more memory"},
	{"upstream.answer.tag", "The upstream was asked what an immutable tag leads to, and gave neither 404 nor 200 with one `Docker-Content-Digest` (503).", "ask it with HEAD for the manifest by that tag, with the manifest types in `Accept`, and look what it says"},
	{"request.immutable_tag", "The request would have changed a tag that `immutable_tags` keeps (403).", "push another tag, or take the tag out of `immutable_tags`"},
	{"upstream.answer.elsewhere", "A `Location` or `Link` of the upstream leads to the upstream itself, outside the path in `upstream` (502).", "tell the upstream by which path it is asked, or correct the path in `upstream`"},
	{"upstream.busy", "All connections to upstreams are in use: in total, to that upstream, or for one client. The text says which (503).", "look for a client with many of them in the access record. If all of them mean well, raise `upstream_connections` or `upstream_per_client` under `[limits]`; see docs/limits.md for what else bounds them"},
	{"upstream.unreachable", "The upstream cannot be reached (503). There is no more precise cause.", "see the text of the error"},
}

var decisions = []Entry{
	{"rule.denied", "The rule that decides about the request does not let this user pass (403).", "nothing, if the rule is meant so; `gatehouse why ID` shows which rule it is and what it needs"},
	{"rule.none", "No rule lets the request pass (403).", "nothing, if nobody is meant to; `gatehouse why ID` shows what each rule asks for"},
	{"route.none", "No route takes requests for the host or the path (404).", "correct the address that the client uses, or add a route"},
}

var requests = []Entry{
	{"request.malformed", "A request is malformed, or can be read in more than one way (400).", "the answer says what is wrong with it: correct the client, or the proxy before the gateway"},
	{"request.too_large", "The head of a request, or its first line, is larger than it may be (431, 414).", "correct the client, or raise `head_bytes` and `head_fields` under `[limits]`"},
	{"request.unsupported", "A request wants something that the gateway never does: a method that is unknown or never allowed, a WebSocket, an expectation other than 100-continue (405, 501, 417).", "correct the client"},
	{"request.manifest_too_large", "A manifest for a repository with immutable tags is larger than 4 MiB (413).", "make it smaller: registries take no larger one either"},
	{"request.body_broken_off", "The body of a request broke off before its end: the client went away or was too slow.", "nothing, if it is rare. Otherwise look for proxies and time limits between the client and the gateway"},
	{"request.body_malformed", "The body of a request is not chunked as RFC 9112 has it (400).", "correct the client, or the proxy before the gateway"},
	{"request.client_gone", "The client went away before it had the whole answer.", "nothing, if it is rare. Otherwise look for time limits of clients and proxies"},
	{"request.groups_too_long", "The list of the groups of a user is longer than `groups_header_bytes`. The request is refused (403), or with `groups_header_over` passed on without the header.", "set `groups_header_form = \"named\"` to tell the upstream only of the groups that rules name, or raise `groups_header_bytes` as far as the upstream takes such a line"},
	{"request.misdirected", "A request names another host than the TLS connection was made to (421).", "if a proxy before the gateway speaks TLS to it under a name of its own, list the proxy in trusted_proxies, or have it send the client's server name. Otherwise correct the client"},
	{"request.stuck", "A client moved no byte for 30 s while others had to wait, and was cut off.", "nothing, if it is rare. Otherwise find the source in the access record"},
	{"request.unread", "A client did not read its answers, and there were too many unread answers in total. Its connection was closed.", "nothing, if it is rare. Otherwise find the source in the access record and keep it out"},
	{"request.panic", "The gateway failed in an unexpected way. This is a bug in gatehouse.", "report it with the stack in the log"},
}
