package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"gatehouse/backend"
	"gatehouse/backend/ldap"
	"gatehouse/backend/ldap/ldaptest"
)

func ExampleNew() {
	// A directory to ask; yours is elsewhere.
	server, err := ldaptest.New(ldaptest.Config{Anonymous: true, Entries: []ldaptest.Entry{
		{DN: "dc=corp,dc=example"},
		{DN: "uid=Alice,dc=corp,dc=example", Password: "secret", Attributes: map[string][]string{"objectClass": {"person"}, "uid": {"Alice"}}},
		{DN: "cn=Dev,dc=corp,dc=example", Attributes: map[string][]string{
			"objectClass": {"groupOfNames"}, "cn": {"Dev"}, "member": {"uid=Alice,dc=corp,dc=example"}}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, server.CA().PEM(), 0o600); err != nil {
		log.Fatal(err)
	}

	b, err := ldap.New(ldap.Config{
		Preset:    "openldap",
		URLs:      []string{server.URL("ldaps")},
		CAFile:    ca,
		UserBases: []string{"dc=corp,dc=example"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	id, err := b.Authenticate(context.Background(), "ALICE", "secret")
	fmt.Println(id.User, err)
	groups, err := b.Groups(context.Background(), id)
	fmt.Println(groups, err)
	_, err = b.Authenticate(context.Background(), "alice", "guess")
	fmt.Println(errors.Is(err, backend.ErrWrongPassword))
	// Output:
	// alice <nil>
	// [cn=dev,dc=corp,dc=example dev] <nil>
	// true
}
