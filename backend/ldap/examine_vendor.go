package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// The capability by which Active Directory is known; [MS-ADTS], section 3.1.1.3.4.3.
const capabilityAD = "1.2.840.113556.1.4.800"

// errPreset is the finding that the preset is for another kind of directory.
var errPreset = fault.Kind("ldap.preset.mismatch", "the preset is for another kind of directory")

// vendor is a kind of directory, with the presets for it.
type vendor struct {
	name    string
	presets []string
}

// vendorOf returns the kind of directory that a root DSE is of.
func vendorOf(dse *ldap.Entry) vendor {
	has := func(attribute, value string) bool {
		return slices.ContainsFunc(values(dse, attribute), func(v string) bool { return strings.EqualFold(v, value) })
	}
	switch {
	case has("supportedCapabilities", capabilityAD):
		return vendor{"Active Directory", []string{"activedirectory"}}
	case len(values(dse, "ipaDomainLevel"))+len(values(dse, "ipaTopologyPluginVersion")) > 0:
		return vendor{"FreeIPA", []string{"freeipa"}}
	case has("vendorName", "389 Project"):
		return vendor{"389 Directory Server", []string{"389ds", "freeipa"}}
	case has("objectClass", "OpenLDAProotDSE"):
		return vendor{"OpenLDAP", []string{"openldap", "rfc2307"}}
	}
	return vendor{name: "a directory of an unknown kind"}
}

// rootDSE reads what a server says of itself, and whether the preset fits it.
func (e *examination) rootDSE(ctx context.Context, c *conn, a address) {
	q := query{filter: "(objectClass=*)", attributes: []string{
		"objectClass", "vendorName", "vendorVersion", "supportedCapabilities", "supportedLDAPVersion", "supportedExtension",
		"namingContexts", "defaultNamingContext", "ipaDomainLevel", "ipaTopologyPluginVersion",
	}}
	e.step("rootDSE", a.String(), e.anonymous(q), func(f *backend.Finding) error {
		entries, err := c.search(ctx, &e.config, q)
		if err != nil && isLost(err) {
			return e.directory.trust.diagnosePlain(ctx, a, err)
		}
		if err != nil || len(entries) != 1 {
			f.Text = "it does not say what it is"
			return nil
		}
		dse := entries[0]
		if len(e.contexts) == 0 {
			e.contexts = values(dse, "namingContexts")
		}
		v := vendorOf(dse)
		f.Text = strings.Join(slices.Concat([]string{v.name}, values(dse, "vendorVersion")), ", ")
		f.Details = values(dse, "namingContexts")
		return e.fits(f, v)
	})
}

// fits says whether the preset is one for a kind of directory. One that is not
// can work, but with Active Directory: its users have another name.
func (e *examination) fits(f *backend.Finding, v vendor) error {
	isAD := v.name == "Active Directory"
	preset := e.config.Preset
	switch {
	case isAD && preset == "" && slices.Contains(e.filter.attributes(), "uid"):
		f.Advice = "Active Directory knows users by sAMAccountName and userPrincipalName, and user_filter asks for uid: set preset = \"activedirectory\""
	case preset == "" || len(v.presets) == 0 && preset != "activedirectory" || slices.Contains(v.presets, preset):
	case isAD || preset == "activedirectory":
		f.Advice = fmt.Sprintf("set the preset for %s: %s", v.name, strings.Join(append(v.presets, otherPresets(v)...), " or "))
		return errPreset
	default:
		f.Advice = fmt.Sprintf("the preset %s is for another kind of directory; if users or groups are not found, try %s", preset, strings.Join(v.presets, " or "))
	}
	return nil
}

// otherPresets returns those to try where there is none for the kind of directory.
func otherPresets(v vendor) []string {
	if len(v.presets) > 0 {
		return nil
	}
	return []string{"openldap", "rfc2307", "freeipa", "389ds"}
}
