package fault

var directory = []Entry{
	{"ldap.starttls.refused", "The server does not encrypt the connection when it is asked to.", "give the server a certificate, or use ldaps:// in `urls`"},
	{"ldap.starttls.tls_port", "The port of the server takes TLS from the first byte on, and neither StartTLS nor anything in the clear.", "write ldaps:// in `urls` and leave `start_tls` and `insecure_plaintext` out"},
	{"ldap.tls.starttls_port", "The port of the server takes TLS when it is asked to start it, and not from the first byte on.", "write ldap:// in `urls` and `start_tls = true`, or the port for ldaps, 636"},
	{"ldap.tls.rsa_key_exchange", "The server has cipher suites without forward secrecy alone (RSA key exchange), which are not used.", "enable ECDHE suites or TLS 1.3 at the server; until then set GODEBUG=tlsrsakex=1 in the environment of gatehouse"},
	{"ldap.protocol", "The server said something that LDAP does not allow at that point.", "see the text; check that the address is that of a directory and not of a proxy before it"},
	{"ldap.server.busy", "The server answers that it is too busy or about to stop (results 51, 52).", "nothing, if it passes; another server of `urls` is asked meanwhile. Otherwise look into its log"},
	{"ldap.server.none", "No server of the directory is known: the SRV records name none.", "check the name behind srv: in `urls` and its records, which must name hosts of that domain"},
	{"ldap.pool.exhausted", "All connections to the server were in use for as long as a login may take.", "find out why the server is slow (`gatehouse doctor`), or raise `max_connections`"},
	{"ldap.referral", "The server refers to another one, which is not followed (result 10).", "name a server of the right domain in `urls`, or a global catalog (port 3269) to find users of several domains"},
	{"ldap.search.no_base", "There is no such entry to search below, or the account may not see it (result 32).", "check the spelling of the base (`user_bases`, `group_bases`), and that the account may read it"},
	{"ldap.search.alias", "With `dereference = \"always\"` a search met an alias that leads nowhere, in a circle, or where the account may not read (results 33, 36, 54).", "correct the alias in the directory, or name what it stands for in `user_bases` and `group_bases`"},
	{"ldap.search.forbidden", "The directory does not let the account search here (results 1, 50).", "set `bind_dn` to an account that may search here"},
	{"ldap.search.incomplete", "The server ended its answer at a limit of size or time (results 3, 4, 11); a part is not taken for the whole.", "have the limits of the account raised in the directory, and what `user_filter` asks for indexed"},
	{"ldap.search.hung_up", "The server hung up on a search, and on a second connection again, while it answers others; it stays in use.", "see the log for the base and the length of the filter, and the log of the directory for why: most of all a limit to the size of a request (`sockbuf_max_incoming_auth` of OpenLDAP, `nsslapd-maxbersize` of 389 Directory Server)"},
	{"ldap.search.failed", "The server answered a search with another failure.", "repeat it with the command that `gatehouse doctor` shows, and compare what the log of the directory says"},
	{"ldap.bind.encryption", "The server takes no password on this connection (results 8, 13).", "use ldaps:// or `start_tls = true`"},
	{"ldap.bind.channel_binding", "The server demands that passwords are bound to the TLS connection, which simple binds cannot be.", "have the domain controller demand channel binding only where the client supports it"},
	{"ldap.bind.failed", "The server answered a login with a failure that is no refusal.", "look up the result code that the text has, and what the log of the directory says"},
	{"ldap.schema.unreadable", "The configuration names an attribute by a number, and the schema of the directory, which says what that is called, cannot be read.", "let the service account read the schema (the entry that `subschemaSubentry` of the root entry names), or write the name of the attribute in place of its number"},
	{"ldap.schema.unknown", "The configuration asks for an attribute, or for an object class, that the schema of the directory does not have. A filter with it may find nothing whatever there is, so that no answer follows from that.", "correct the spelling in the key that the text names, or take it out; where an overlay or plug-in brings the attribute (memberOf), have the directory load it"},
	{"ldap.preset.mismatch", "The preset is for another kind of directory.", "set the preset for the directory that the server says it is"},
	{"ldap.lockout.budget", "The directory locks accounts after fewer wrong passwords than gatehouse lets through.", "set `max_failures` below the threshold of the directory, or raise that"},
}

var serviceAccount = []Entry{
	{"ldap.account.no_password", "The password of the service account cannot be had.", "see the text: make the file or credential readable for the user that gatehouse runs as, and put the password into it"},
	{"ldap.account.unknown", "The directory has no such service account.", "correct `bind_dn`"},
	{"ldap.account.wrong_password", "The directory refuses the service account: its password is wrong, or there is no such account.", "the password is wrong, or there is no such account: check `bind_dn` and the file with its password; one wrong password was counted by the directory, and the same is tried again seldom, lest the account be locked, but a changed one at once"},
	{"ldap.account.malformed_name", "`bind_dn` is no name of an entry (result 34).", "`bind_dn` is no name of an entry: want something like \"cn=gatehouse,ou=system,dc=corp,dc=example\""},
	{"ldap.account.locked", "The service account is locked, disabled or expired.", "have whoever runs the directory put the account in order; see the text for what is wrong with it"},
	{"ldap.account.encryption", "The server takes no password of the service account on this connection (results 8, 13).", "the server takes no password in the clear: use ldaps:// or `start_tls = true`"},
	{"ldap.account.failed", "The service account cannot log in for another reason.", "see the text for what the directory answered, and check `bind_dn` and the file with its password"},
}

var directoryUsers = []Entry{
	{"ldap.user.unknown", "No entry below `user_bases` matches `user_filter`.", "nothing, if the name is wrong. Otherwise compare `user_filter` and `user_bases` with the entry: `gatehouse doctor --user NAME` says what would match"},
	{"ldap.user.ambiguous", "More than one entry matches the name, so that it is nobody's.", "narrow `user_bases` or `user_filter` until one entry is left"},
	{"ldap.user.unusable", "The entry of the user has no name that can be used, or several.", "correct the entry, or set `user_name_attr` to an attribute with one value that can be searched for"},
	{"ldap.user.no_anchor", "The entry of a user who logged in before does not show the attribute any more by which it is told from an entry made anew under its name.", "let the service account read `entryUUID`, `nsUniqueId`, `ipaUniqueID` or `objectGUID`, whichever the directory has, at every server of `urls`"},
	{"ldap.user.known_by_dn", "Entries of users show none of the attributes by which an entry is told from one made anew under its name, so that users are known by their DN alone.", "let the service account read `entryUUID`, `nsUniqueId`, `ipaUniqueID` or `objectGUID`, whichever the directory has"},
	{"ldap.user.unreadable", "The entry of a user who logged in before is there, and the service account may not read it any more, or not what `user_filter` asks for.", "give the account back the right to read and search the entries of users"},
	{"ldap.user.hidden", "The password is right, and the user may not read the own entry.", "let users read their own entries, or set `bind_dn` to an account that looks users up"},
	{"ldap.user.wrong_password", "The directory refuses the password of the user.", "have the user type it again, and log out first where a client has stored an old one; the directory counted one wrong password"},
	{"ldap.user.locked", "The directory has locked the account after wrong passwords.", "unlock the account in the directory, and look for whoever sends wrong passwords"},
	{"ldap.user.disabled", "The account is disabled.", "enable it in the directory, if the user is to log in"},
	{"ldap.user.expired", "The account has expired.", "extend it in the directory, if the user is to log in"},
	{"ldap.user.password_expired", "The password of the user has expired.", "have the user set a new one"},
	{"ldap.user.grace", "The password of the user has expired, and the directory allows a few more logins, of which this was one.", "have the user set a new one; `refuse_grace_logins = true` refuses such logins"},
	{"ldap.user.password_change", "The user must set another password first.", "have the user set a new one"},
	{"ldap.user.hours", "The user may not log in at this hour.", "change the hours of the account in the directory, if that is wrong"},
	{"ldap.user.computer", "The user may not log in from this computer.", "add the machine of the gateway to those that the account may log in from"},
	{"ldap.user.refused", "The directory refuses the user for a reason of its own (results 19, 53, or its password policy).", "see the text, and the log of the directory"},
}

var directoryGroups = []Entry{
	{"ldap.groups.unreadable", "The account may not read what tells the groups of a user, or who is in a group.", "give it that right: in Active Directory put it into the group Windows Authorization Access Group"},
	{"ldap.groups.too_many", "The user is in more groups than are followed.", "look for groups that contain each other, or narrow `group_bases`"},
	{"ldap.groups.too_deep", "The user is in groups that are nested deeper than `group_depth`. The groups up to there count; a rule that needs another one, or the absence of one, cannot be decided.", "raise `group_depth`, or set `group_nesting = false` if groups in groups are not to count"},
	{"ldap.groups.hidden", "memberOf of a user names a group that the service account may not read. The group counts by its DN; a rule that calls it by a short name cannot be decided, nor one that needs a group which this one may be in.", "let the service account read the group, or name the group by its DN in the rule"},
	{"ldap.groups.undecided", "A filter for groups (`group_filter`, or that of a `filter_group`) is neither true nor false, so that a rule which needs such a group, or its absence, cannot be decided.", "let the service account read and search the attributes of the filter"},
	{"ldap.groups.other_domain", "Users are found in a global catalog, and no server of `urls` is a controller of the domain of one, who may be in groups that only such a server knows. The groups that the catalog knows count; a rule that needs another one, or the absence of one, cannot be decided.", "add a controller of the domain to `urls` (port 636)"},
	{"ldap.groups.missing", "A rule names a group that the directory does not have, so that nobody is in it.", "correct the rule, or make the group below `group_bases`"},
	{"ldap.groups.ambiguous", "Several groups share a name that a rule uses, so that it counts for none of them, and `not group` lets in the members of none.", "name one of them by its DN in the rule, or narrow `group_bases`"},
	{"ldap.groups.distribution", "A rule names a distribution group, which is in no token.", "make it a security group, or set `group_mode = \"memberof\"`"},
	{"ldap.groups.no_memberof", "A group has the user as a member, and memberOf of the user is empty or may not be read. The groups found that way count; a rule that needs another one, or the absence of one, cannot be decided.", "have the server keep memberOf (the overlay or plug-in of that name), let the account read it, or set `group_mode = \"search\"`"},
}
