// Package ldap checks credentials against an LDAP directory or Active Directory.
//
// A login is one search, for the entry of the user, and one bind as that entry
// with the password. Both use connections that are kept: those that search are
// bound as the service account, and those that bind users do nothing else, for
// one user at a time.
//
// # Configuration
//
// Most directories need no more than this:
//
//	[[backend]]
//	name = "corp"
//	type = "ldap"
//	preset = "activedirectory"
//	urls = ["ldaps://dc1.corp.example", "ldaps://dc2.corp.example"]
//	bind_dn = "CN=svc-registry,OU=Service,DC=corp,DC=example"
//	bind_password_file = "ldap-password"
//	user_bases = ["DC=corp,DC=example"]
//
// All keys, with their defaults:
//
//	preset                    sets the keys marked * for a kind of directory:
//	                          activedirectory, openldap, rfc2307, freeipa, 389ds
//
//	urls                      servers: ldaps://HOST[:PORT], ldap://HOST[:PORT],
//	                          ldapi:///PATH/OF/SOCKET, srv:NAME-OF-SRV-RECORDS;
//	                          each address of a name is one
//	spread                    false: the first that answers; true: any, the
//	                          same for all questions about one login
//	start_tls                 false; true for ldap:// addresses
//	insecure_plaintext        false; true sends passwords in the clear
//	ca_file                   authorities to trust in place of the system's
//	server_name               the name in the certificate, if not that in urls
//	cert_file, key_file       client certificate
//
//	bind_dn                   the account that searches; none: anonymous
//	bind_password_file        its password: one of these three, read again
//	bind_password_credential  whenever it is needed; two lines while it changes
//	bind_password_env
//	sasl_external             false; true: the client certificate, or the owner
//	                          of the process on a local socket, is the account
//	bind_template             name to bind a user as, with {user} in it, for
//	                          directories without an account that searches
//
//	domains                   domains that may stand beside a name, as in
//	                          user@corp.example and CORP\user; with the preset
//	                          activedirectory by default those of user_bases, as
//	                          the forest calls them, and the suffixes of principal
//	                          names
//	user_bases                where users are; [""] for all of a forest, see below
//	user_scope                "sub", or "one": directly under the bases
//	user_filter             * "(uid={user})"; {user} is the name as typed,
//	                          {account} the name without a domain
//	user_name_attr          * "uid": what rules and logs call a user
//
//	dereference               "never", or "always": searches find what aliases stand
//	                          for; see below
//
//	group_mode              * "none"; see below
//	group_bases               where groups are: user_bases
//	group_filter            * "(objectClass=*)": what is a group
//	group_name_attr           "cn": what rules call a group, besides its DN
//	group_member_attrs      * ["member", "uniqueMember"]
//	member_of_attr            "memberOf", which is read of users and groups: to find
//	                          groups with group_mode = "memberof", and with search and
//	                          in_chain to tell of those that the account may not see;
//	                          "isMemberOf" in some directories
//	group_nesting             true; false: groups in groups do not count
//	group_depth               10: groups in groups, so many deep; of a user in
//	                          deeper ones, those are not known
//	primary_group           * "none", "sid" (Active Directory), "gid" (POSIX)
//	filter_group              a list of { name, filter }: users whose entry
//	                          matches the filter are in a group of that name
//
//	refuse_grace_logins       false; true: no login after the password has expired,
//	                          though the directory allows a few
//	warn_password_expiry      how long before a password expires the audit log has
//	                          password_expires_in, and the log and a metric say so;
//	                          not set: never. OpenLDAP tells within its own
//	                          pwdExpireWarning, and at a login with the password alone
//	login_timeout             "10s" for all of a login
//	connect_timeout           "3s" to connect, with TLS and the account's bind
//	operation_timeout         "4s" for one question
//	max_connections           16 to one server for searches, 16 for binds
//	idle_timeout              "4m": Active Directory gives up after 15
//	max_lifetime              "30m"
//	group_ttl                 "1m": how long it is remembered which groups a
//	                          group is in
//
//	max_failures              2: wrong passwords of one user that the directory
//	                          is asked about within
//	failure_window            "30m"; see below
//
// # Encryption
//
// A password goes over TLS 1.2 or newer, to a server whose certificate is
// verified, or over a local socket. A server that refuses StartTLS gets nothing.
// Certificates are read again when their files change. Servers found by SRV
// records must be in the domain that was looked up, are verified by their names
// there, and are spoken to over TLS whatever the records say.
//
// # Who a user is
//
// Exactly one entry must match. The name of the user is the value of
// user_name_attr in that entry, in lower case, whatever was typed: ALICE, alice
// and alice@corp.example are one user to rules, caches and logs. Names with
// blanks at an end, control characters, invisible characters or compatibility
// forms such as full-width letters are refused before any server is asked, and
// so is an entry that a server finds for a name which it does not have. Who logs in
// by something else than the name, such as an address, costs one search more: no
// other entry may have the same name.
//
// A key or a filter may call an attribute by any name that the schema has for it, or by
// its number: userid and 0.9.2342.19200300.100.1.1 are uid. What a name or a number means
// that is in no preset and not in RFC 4519 is looked up in the schema, once an hour.
// Filters go to the server as they are; Samba finds nobody by a number in one.
//
// With dereference = "always" an alias below user_bases stands for an entry anywhere.
// The user is that entry, under whatever alias it was found: with its name, its
// password, its anchor, and the groups that have its own DN as a member, not that of
// the alias. Whoever may write aliases there decides who may log in, and a login ends
// with the last alias. The names in bind_dn and bind_template are never dereferenced
// (RFC 4511, section 4.2): they are those of entries.
//
// With bind_template and no account, a user binds first, in lower case, and reads
// the own entry and groups. Such a directory cannot tell an unknown user from a
// wrong password. With an account, the entry found must be the one that the
// template names.
//
// Whether a user who logged in before still may is found out without a password:
// from the account's attributes in Active Directory, OpenLDAP and 389 Directory
// Server (such as userAccountControl, pwdAccountLockedTime and nsAccountLock),
// and from user_filter. It takes an account that may read these.
//
// # Groups
//
// A rule may name a group by its DN, in any spelling that means the same, or by
// its short name. A short name that two groups under group_bases share counts
// for neither, and "not group" with it lets in the members of neither. Groups are found, according to group_mode, by
//
//   - search: the groups that have the user as a member, then those that have
//     these, level by level, with one question for each 64 of them, or fewer,
//     of which four are asked at once;
//   - memberof: the attribute memberOf of the user, and of the groups, or the one
//     that member_of_attr names;
//   - token_groups: what Windows itself goes by, in one read; it has nested
//     groups and the primary group, and no distribution groups;
//   - in_chain: a matching rule of Active Directory. In a large domain it can
//     take minutes for one user.
//
// Dynamic groups are made of a search: a groupOfURLs has the URLs of it in memberURL.
// Who is in one is for the server to say. In OpenLDAP that takes an overlay: dynlist
// from version 2.5 on (dynlist-attrset groupOfURLs memberURL member), whose members
// are found like others, and which makes memberOf too (…member+memberOf@groupOfNames);
// or autogroup, which writes the members into the group. The preset openldap looks for
// groupOfURLs besides the other two classes. Older versions of dynlist show members and
// find nobody by them: there a [[backend.filter_group]] with the filter of the URL does
// the same. In 389 Directory Server and FreeIPA automatic membership (the plug-in of that
// name) writes users into ordinary groups. Where a directory does nothing of that, nobody
// is in a groupOfURLs.
//
// Pages and ranges of values are read to the end. What cannot be read whole is
// an outage, never fewer groups.
//
// # A forest of several trees
//
// With user_bases = [""] users of all domains of a forest of Active Directory log in.
// They are found and bound in a global catalog, which urls have to name by its port:
//
//	urls = ["ldaps://gc.corp.example:3269", "ldaps://dc1.corp.example", "ldaps://dc1.sales.test"]
//	user_bases = [""]
//
// A catalog does not have the members of domain-local groups, nor all that says whether
// an account may be used. The groups of a user, and the state of the account, are asked
// of a controller of the user's own domain if urls name one, at the port 636. Of users
// of another domain the groups are those that count in the whole forest; a rule that
// needs another one, or the absence of one, cannot be decided, and the log says so once
// in a while. Who has a name that somebody of another domain has too cannot log in by it
// alone, but by the principal name.
//
// # When something fails
//
// A refusal is an answer of the directory; everything else is an outage, for
// which clients see 503 and not 401. Locked, disabled and expired accounts, and
// passwords that must be changed first, are refused. The log says why.
//
// Each address that the name of a server has is a server by itself, with
// connections of its own, and its certificate is verified for the name. DNS is asked
// again every minute and when a server fails. Connections are made to several servers
// one quarter of a second after the other until one answers, and a search that gets
// no answer is asked again, on a fresh connection and at another server. A server
// that does not answer is left alone until a probe in the background finds that it
// does, so that it costs one login its time and no more.
//
// The bind of a user is made at one server, once: a wrong password is one bind, and a
// bind whose answer was lost is not repeated. A search that a server hangs up on twice
// fails alone, and the server stays in use.
//
// A service account whose password is refused is not tried again for 4 minutes,
// then 8, 16 and 30, unless the configured password changes; the log says so
// once each time. Where the directory says that the account is locked, disabled,
// expired or must have another password, no guess is counted, and it is tried again
// after 5 seconds. "gatehouse reload" and "gatehouse backend probe" have it tried at
// once, at most once a minute. While the password is changed, the file may have the
// old and the new one in a line each: the one that was right last is tried first.
//
// Continuation references are ignored, and referrals are errors: to follow one would
// be to send the account's password wherever it points.
//
// # Lock-outs
//
// A directory locks an account after some wrong passwords within some time. Lest
// a stranger, or a job with an old password, do that through the gateway, it asks
// about no more than max_failures wrong ones of a user within failure_window, in
// whatever spelling and from whatever address, and refuses the rest by itself,
// which the log tells apart. The password that was right last is always asked
// about. A user who has not logged in since the gateway was started has to wait,
// once the guesses of others have used up the budget, until failure_window is
// over, or until "gatehouse cache purge --user" forgets them.
//
// Let max_failures be less than the directory allows (lockoutThreshold,
// pwdMaxFailure, passwordMaxFailure) and failure_window no less than the time that
// it counts them for: "gatehouse doctor" tells both of Active Directory. After a
// change of password the old one may be asked about once more than that; Active
// Directory does not count it. Where several gateways stand before one directory,
// each has a budget of its own, and the directory must allow more than all of them
// together. A directory that locks nobody may have a large max_failures.
package ldap
