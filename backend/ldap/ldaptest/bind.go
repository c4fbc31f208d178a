package ldaptest

import (
	"crypto/subtle"
	"crypto/tls"
)

// bind checks credentials and changes what the connection is bound as. RFC
// 4511, section 4.2.1: while it is under way, and after it failed, that is
// nobody.
func (c *conn) bind(m message) Answer {
	c.bound = ""
	if len(m.op.Children) != 3 {
		return Answer{Code: protocolError, Text: "malformed bind request"}
	}
	name, auth := m.op.Children[1].Data.String(), m.op.Children[2]
	if auth.Tag == 3 {
		return c.bindExternal()
	}
	password := auth.Data.String()
	switch {
	case name == "" && password == "":
		return Answer{}
	case password == "":
		return Answer{Code: unwillingToPerform, Text: "unauthenticated bind (DN with no password) disallowed"}
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	e := c.server.entryToBind(name)
	if e == nil {
		return c.server.refusal("52e")
	}
	right := e.Password != "" && subtle.ConstantTimeCompare([]byte(e.Password), []byte(password)) == 1
	if e.State != nil && (right || e.StateAlways) {
		answer := *e.State
		if !m.policy {
			answer.Controls = nil
		}
		if answer.Code == success {
			c.bound = foldDN(e.DN)
		}
		return answer
	}
	if !right {
		return c.server.refusal("52e")
	}
	c.bound = foldDN(e.DN)
	return Answer{}
}

func (c *conn) bindExternal() Answer {
	t, encrypted := c.net.(*tls.Conn)
	certified := encrypted && len(t.ConnectionState().PeerCertificates) > 0
	if c.server.config.External == "" || !certified && c.scheme != "ldapi" {
		return Answer{Code: inappropriateAuth, Text: "SASL(-4): no mechanism available"}
	}
	c.bound = foldDN(c.server.config.External)
	return Answer{}
}

// entryToBind returns the entry that a name to bind as means: in Active
// Directory that may be a user principal name too.
func (s *Server) entryToBind(name string) *Entry {
	if e, ok := s.tree[foldDN(name)]; ok {
		return e
	}
	if !s.config.ActiveDirectory {
		return nil
	}
	for _, e := range s.tree {
		for _, upn := range e.values("userPrincipalName") {
			if foldValue(upn) == foldValue(name) {
				return e
			}
		}
	}
	return nil
}

// refusal is the answer to wrong credentials.
func (s *Server) refusal(code string) Answer {
	if s.config.ActiveDirectory {
		return ADRefusal(code)
	}
	return Answer{Code: invalidCredentials}
}

// ADRefusal is how Active Directory refuses a bind, with a code such as 52e for
// a wrong password or 775 for a locked account.
func ADRefusal(code string) Answer {
	return Answer{
		Code: invalidCredentials,
		Text: "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data " + code + ", v2580",
	}
}
