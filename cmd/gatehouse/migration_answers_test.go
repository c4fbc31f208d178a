package main

import (
	"go/ast"
	"strings"
	"testing"
)

// answerRows names, for each row of the table of what behaves differently, the tests
// that hold gatehouse to it, by the words that the row begins with. What Apache does is
// tried beside gatehouse by TestEveryDifferenceFromApacheIsExplained.
var answerRows = map[string][]string{
	"a method that no `<Limit>`":          {"TestEveryDifferenceFromApacheIsExplained", "TestMethodsThatARuleDoesNotNameAreDenied", "TestMethodsThatNoRuleCanNameAreRefused"},
	"401 for a user who may not push":     {"TestRefusalSaysWhoMayNotDoWhat"},
	"errors are HTML":                     {"TestEveryDifferenceFromApacheIsExplained"},
	"`Docker-Distribution-Api-Version`":   {"TestEveryAnswerBelowV2HasOneApiVersion"},
	"the registry gets `Authorization`":   {"TestCredentialsStayWithTheGateway"},
	"`X-Forwarded-*` of the client":       {"TestFieldsThatOnlyTheGatewaySetsAreRemoved", "TestFamiliesOfFieldsNeverReachAnUpstream"},
	"`X-Forwarded-Server` names":          {"TestEveryDifferenceFromApacheIsExplained"},
	"`//`, `/./`, `/../`":                 {"TestDotSegmentsAreRefused", "TestEncodedDotSegmentsAreRefused", "TestEmptySegmentsAreRefused"},
	"`%2F` 404; `%5C`":                    {"TestEncodedSlashesAreRefused", "TestBackslashesAreRefused", "TestPathParametersAreRefused", "TestControlCharactersInPathAreRefused", "TestEncodedDelimitersInPathAreRefused", "TestBytesThatDoNotBelongInAPathAreRefused", "TestRawNonASCIIPathIsRefused", "TestInvalidUTF8InPathIsRefused"},
	"`Require all granted` and":           {"TestMigrationOfNegatives"},
	"`Require ip` and `Require not user`": {"TestMigrationOfNegatives"},
	"a `not` inside of a `not`":           {"TestMigrationOfNegatives"},
	"`Location` with the registry's":      {"TestUpstreamReferencesBecomeLocal", "TestLocationsOfTheRequestsHostBecomeLocal", "TestREG5LocationOfWhatWasCreated"},
	"the registry's challenges":           {"TestREG2LoginsOfAnUpstream"},
	"several `Authorization` lines":       {"TestTwoAuthorizationsAreRefused", "TestAmbiguousFramingIsRefused", "TestMalformedHeadsAreRefused"},
	"an answer of the registry with":      {"TestHostileAnswers", "TestFieldsOfAnAnswerThatMayStandOnce", "TestMalformedAnswersBecomeBadGateway"},
	"`Upgrade` is passed on":              {"TestHTTP1Upgrades"},
	"HTTP/1.0 over TLS":                   {"TestHTTP1WithoutHost"},
	"OPTIONS with `Max-Forwards: 0`":      {"TestHTTP1MaxForwards"},
	"base64 cut at":                       {"TestMalformedBase64IsRefused", "TestControlCharactersInCredentialsAreRefused", "TestMalformedCredentialsReachNoBackend"},
	"another Host than the TLS":           {"TestHostOtherThanTheHandshakesIsMisdirected", "TestREG3ReencryptingProxy"},
	"a refused push waits":                {"TestRefusalOfAnUploadIsSentAtOnceAndArrives"},
	"bad or missing password file":        {"TestNewRefusesFilesThatCannotBeUsed", "TestFilesThatCannotBeUsedChangeNothing"},
	"missing group file":                  {"TestNewRefusesFilesThatCannotBeUsed"},
	"registry slow 502":                   {"TestUpstreamThatIsSilentTimesOut", "TestUnreachableUpstreamsAreUnavailable", "TestMalformedAnswersBecomeBadGateway"},
	"hash computed on every request":      {"TestChangedFilesTakeEffect", "TestPasswordFileChangesWhileRunning"},
	"unknown users are refused faster":    {"TestWrongPasswordOfCheapHashTakesAsLongAsOfTheDearest", "TestDearestHashIsTheDecoy"},
	"an answer that the registry sends":   {"TestEveryDifferenceFromApacheIsExplained"},
	"`Accept` lines joined":               {"TestEveryDifferenceFromApacheIsExplained", "TestFieldsOfRegistryClientsArriveAsSent"},
	"upload of another repository's":      {"TestMountsAreJudgedForBothRepositories", "TestMountNeedsBothRepositories"},
	"a rule by methods is about all":      {"TestWhatOnlyTheRegistryKnowsIsClosed"},
	"`_catalog` lists every":              {"TestCatalogShowsWhatTheUserMayPull", "TestListsShowWhatMayBePulled"},
	"HTTP/1.1 only":                       {"TestProtocolIsNegotiated"},
	"TLS as OpenSSL has it":               {"TestOldTLSIsRefused"},
	"certificates are read at start":      {"TestCertificateIsReloadedAndABadOneIsNot", "TestCertificateIsReplacedWhileRunning"},
	"`graceful`, SIGHUP":                  {"TestFailedReloadChangesNothing", "TestRunningRequestEndsUnderWhatItBeganWith", "TestReloadsUnderLoad"},
	"paths that no `Location` has":        {"TestRouterTakesNothingElse", "TestEveryDifferenceFromApacheIsExplained"},
}

func TestMigrationOfEveryAnswer(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, file := range sources(t) {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && file.test && f.Recv == nil {
				known[f.Name.Name] = true
			}
		}
	}
	proven := map[string]bool{}
	for _, row := range guideRows(t, "Apache with the recipe") {
		found := false
		for begin, tests := range answerRows {
			if !strings.HasPrefix(row[0], begin) {
				continue
			}
			found, proven[begin] = true, true
			for _, name := range tests {
				if !known[name] {
					t.Errorf("%s: there is no test %s", begin, name)
				}
			}
		}
		if !found {
			t.Errorf("nothing proves the row %q", row[0])
		}
	}
	for begin := range answerRows {
		if !proven[begin] {
			t.Errorf("the guide has no row %q", begin)
		}
	}
}

// TestMigrationOfNegatives tries what the guide says of rules with negatives, which
// Apache judges before a login.
func TestMigrationOfNegatives(t *testing.T) {
	t.Parallel()
	dir := documentFolder(t)
	const nobody, alice, bob = "", "user = \"local:alice\"\n", "user = \"local:bob\"\n"
	for _, c := range []struct{ require, who, expect string }{
		{`{ all = ["all granted", "not user alice"] }`, nobody, "login"},
		{`{ all = ["all granted", "not user alice"] }`, alice, "deny"},
		{`{ all = ["all granted", "not user alice"] }`, bob, "allow"},
		{`{ all = ["ip 127.0.0.0/8", { none = ["group devs"] }] }`, nobody, "login"},
		{`{ all = ["ip 127.0.0.0/8", { none = ["group devs"] }] }`, alice + "groups = [\"devs\"]\n", "deny"},
		{`{ all = ["all granted", { none = [{ all = ["all granted", { none = ["user alice"] }] }] }] }`, alice, "allow"},
		{`{ all = ["all granted", { none = [{ all = ["all granted", { none = ["user alice"] }] }] }] }`, bob, "deny"},
	} {
		test := "[[test]]\n" + c.who + "request = \"PUT /v2/team/app/manifests/1\"\nexpect = \"" + c.expect + "\"\n"
		errs, _ := problemsOf(t, dir, shownRule("require = ["+c.require+"]", test))
		for _, p := range errs {
			t.Errorf("%s, %q: %v", c.require, c.who, p)
		}
	}
}
