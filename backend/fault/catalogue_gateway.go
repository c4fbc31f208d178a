package fault

var configuration = []Entry{
	{"config.unreadable", "The configuration cannot be read.", "see the text: name the file with --config, or let the user that gatehouse runs as read it"},
	{"config.syntax", "The configuration is not TOML.", "correct the place that the text shows. A running gateway keeps the old configuration"},
	{"config.unknown_key", "There is a key in the configuration that nothing reads.", "correct its spelling; docs/config.md has all keys"},
	{"config.invalid", "A value in the configuration cannot be used.", "the text says which, where, why, and what to write. A running gateway keeps the old configuration"},
	{"config.test_failed", "A `[[test]]` of the configuration does not come out as it expects.", "correct the rules, or the test if the rules are meant so; `gatehouse explain` shows how they decide"},
	{"config.secret", "A password or key that the configuration refers to cannot be read.", "set one of the keys that end in _file, _credential and _env, and see that it is there and not empty"},
	{"reload.needs_restart", "The change needs a restart: addresses, TLS on or off, or `[admin]`.", "restart the gateway, or take the change back. Until then all of the old configuration stays in use"},
	{"reload.stopping", "The gateway is about to end and does not reload.", "ask again when it has been started"},
	{"reload.blind", "The system does not report changed files. gatehouse looks at them every half a minute.", "raise fs.inotify.max_user_watches and max_user_instances, or do without: SIGHUP and `gatehouse reload` count at once"},
}

var files = []Entry{
	{"file.missing", "A file is not there.", "correct its path, which is relative to the configuration, or make it"},
	{"file.forbidden", "The user that gatehouse runs as may not use a file.", "let that user read it (or write, for logs), also the folders above"},
	{"file.exposed", "Everybody on the machine may read a file with a secret, which is refused.", "run `chmod o-r FILE`. If Kubernetes or Docker mounts the secret, give it the mode that the text says. Set a new secret, as somebody may have read this one"},
	{"file.writable", "The group or everybody on the machine may write a file, which is refused.", "run `chmod go-w FILE`"},
	{"file.irregular", "A path leads to a folder, a pipe or a device in the place of a file.", "correct the path"},
	{"file.too_large", "A file is larger than such a file can be.", "correct the path, or split the file"},
	{"file.changing", "A file changed while it was read.", "nothing: it is read again. Replace files by renaming, not by writing into them"},
	{"file.disk_full", "There is no room left on the disk.", "make room"},
	{"file.failed", "A file cannot be read or written for another reason.", "see the text for what the system said"},
}

var certificates = []Entry{
	{"tls.certificate.mismatch", "A certificate and its key do not belong together, or one of them is not PEM.", "name the two of one pair; while only one of the two is replaced, the old pair stays in use"},
	{"tls.certificate.expired", "A certificate has expired.", "renew it: the files are read again when they change"},
	{"tls.certificate.not_yet_valid", "A certificate is not valid yet.", "check the clock of this machine"},
	{"tls.certificate.no_authority", "A file with authorities has no certificate in it.", "put the certificates into it, in PEM"},
}

var listeners = []Entry{
	{"listen.in_use", "Another process listens on the address.", "stop it (`ss -ltnp` shows which), or listen elsewhere"},
	{"listen.forbidden", "The user that gatehouse runs as may not listen on the address.", "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket that systemd holds; for a unix socket, the right to write to its folder"},
	{"listen.no_address", "This machine does not have the address.", "correct `listen`, or leave the host out for all addresses"},
	{"listen.descriptors", "This process has no file descriptors left, and new connections wait.", "raise the limit (LimitNOFILE= of the unit), which must be more than twice the number of clients at once"},
	{"listen.failed", "Listening or accepting connections failed for another reason.", "see the text for what the system said"},
	{"admin.socket_taken", "The path of the control socket is in use, by another process or a file.", "stop the other process or move the file away, or name another path under `[admin]`"},
}

var records = []Entry{
	{"audit.unwritable", "Decisions cannot be recorded. With `audit_required` such requests are denied (503).", "free the disk or correct the file of `audit_log`; see the error of the log before it"},
	{"audit.stuck", "Nobody reads the audit log, or its disk does not answer.", "start the reader of the pipe, or look at the disk"},
	{"access.lost", "Access records were lost, because the reader of standard output is too slow.", "whoever reads the standard output must keep up; the number is a metric, too"},
	{"systemd.notify", "systemd could not be told how the gateway is doing.", "check that the unit has Type=notify-reload and lets the process write to $NOTIFY_SOCKET"},
}

var tokens = []Entry{
	{"token.malformed", "A token is none of this gateway, or was changed (401).", "have the client log in again. If it happens often, find the source in the access record: somebody makes tokens up, or a client sends those of another registry"},
	{"token.unknown_key", "A token was sealed with a key that this gateway does not have (401). Clients fetch another one by themselves.", "give all gateways one key file, and remove a key only when no token of it can be in use any more: after `ttl` and `upload_grace`. Without a key file, tokens end with the process"},
	{"token.expired", "A token has expired (401). Clients fetch another one by themselves.", "nothing, if it is rare. Otherwise compare the clocks of the gateways and of the client, or raise `ttl` under `[tokens]`"},
	{"token.early", "A token was issued more than a minute in the future (401).", "set the clocks of all gateways by one source, such as NTP. If one of them was ahead, make another key for tokens: what was sealed meanwhile outlives `gatehouse revoke`"},
	{"token.other_host", "A token was sent to another host or route than it was made for, or the backend that vouched for the user is none of the route any more (401).", "nothing, if the configuration was changed. Otherwise find out who sends it: tokens are for one host"},
	{"token.refused", "The backend does not let the user of a token go on: the account has gone or may not log in, or the password was changed (401).", "nothing: the client has to log in again"},
	{"token.revoked", "A token was issued before `gatehouse revoke` ended all of that user, or of everybody (401).", "nothing: the client has to log in again"},
	{"token.unfollowed", "A user gets no refresh token, so that docker keeps the password: the backend cannot tell without it whether the account is still the same.", "for a directory give gatehouse a service account (`bind_dn`), and let that read the attribute that names an entry for good; `gatehouse doctor` says which"},
	{"token.scope", "The rules allow a request, and the token that came with it was not made for that (401). Clients fetch another one by themselves.", "nothing, if the request succeeds after that. Otherwise the client asks for other scopes than it needs: log in with it anew, or update it"},
	{"token.as_user", "A token came in the place of the user name (401). No backend was asked, and no record has it.", "have the client use the name of the owner, and the token as the password"},
	{"token.own.unknown", "What looks like a token of a person or robot came as a password, and there is no such token (401). No backend was asked.", "nothing, if it was mistyped or has ended long ago. `gatehouse token list` shows which there are"},
	{"token.own.other_user", "A token came as the password of somebody who does not own it (401).", "have the client use the name of the owner, or the owner make another token: somebody else may have seen this one"},
	{"token.own.expired", "A token of a person or robot has expired (401).", "have its owner make another one, and give that to whatever uses it"},
	{"token.own.from", "A token of a person or robot came from a network that it is not for (401).", "make one for that network, if it is used from there"},
	{"token.own.kind", "A token of another kind came than can be used in that place (401): what docker login keeps is no password, and a password is nothing that docker login keeps.", "use a token that was made with `gatehouse token create` or on the page for tokens"},
	{"token.own.limit", "A rule allows the request, and the token that came with it is not for that (403).", "make a token that is for it, if it may be done with one"},
	{"token.own.malformed", "The limits of a token cannot be read, so that nobody can tell what it is for (401).", "revoke the token and make another one. The file of the tokens was changed by hand, or a later version of gatehouse has made it"},
	{"token.other_account", "The account that owned a token is another one by now, which was made anew under the name (401). The token was revoked.", "nothing, if the account was meant to be another one. Its user can make tokens"},
	{"token.own.revoked", "A token of a person or robot was revoked (401).", "take it out of whatever still uses it"},
	{"token.page.token", "Somebody came with a token to the page on which users make tokens (403).", "have the user log in there with the password: a token cannot make tokens"},
	{"token.page.cross_site", "A page of another site sent a form to the page on which users make tokens (403). Nothing was done.", "find out what the user had open, if it happens again. Behind a proxy that is one of `trusted_proxies`, have it say by `X-Forwarded-Host` which host the user asked"},
	{"token.page.form", "The form for a token cannot be carried out (400). The answer says which field is wrong.", "nothing: the user is told"},
	{"token.page.conflict", "A user has a token of that name already, or has made as many as one may (409).", "nothing, or raise `per_user` under `[tokens]`"},
	{"token.page.unknown", "A user wanted to rotate or revoke a token that has ended, or that somebody else owns (404).", "nothing, if it is rare"},
	{"token.page.no_anchor", "A user can have no tokens, because nothing tells the account from a later one of the same name (403).", "let the service account of the directory read the attribute that names an entry for good; `gatehouse doctor` says which"},
	{"token.own.ends_soon", "The token of a person or robot ends within a week. The log says so once a day.", "have its owner make another one, or `gatehouse token rotate` it, and give that to whatever uses it"},
	{"token.own.orphaned", "The owner of a token is gone: no such account or group is there any more. The token is asleep, and ends for good after 30 days.", "give what the token is for an owner who is there: `gatehouse token create`; nothing, if nobody needs it any more"},
	{"token.keys.malformed", "The keys for tokens cannot be used. At the start gatehouse does not run. Later the old keys stay in use.", "correct the lines that the text names: KID:BASE64, as `gatehouse token key` prints them"},
}
