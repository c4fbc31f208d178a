package ldap

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/backend/fault"
)

// questions are what the package asks directories for, what of an answer is taken for none,
// under which code, and the tests that show it:
//
//	go test ./backend/ldap -v -run TestEveryQuestionHasATest
var questions = []struct {
	place, question, taken string
	code                   fault.Code // empty for an answer
	tests                  string
}{
	{"user.go findAll", "the entry of a user: none", "answer: unknown user", "ldap.user.unknown", "TestSlapd TestDS389 TestSamba"},
	{"user.go findAll", "none, and the schema lacks what user_filter asks for", "no answer", "ldap.schema.unknown", "TestLDAP8NoSilentNo"},
	{"user.go findAll", "several, or size limit (asked for 2)", "answer: refused", "ldap.user.ambiguous", "TestNameOfTwoEntriesIsRefused TestSlapd"},
	{"user.go identity", "several values of user_name_attr, or none that can be a name", "answer: the RDN's, or refused", "ldap.user.misnamed", "TestTwoValuesOfTheNameAttribute"},
	{"user.go identity", "no value of user_name_attr", "no answer", "ldap.user.unusable", "TestCodesOfUsers"},
	{"anchor.go entryOf", "no such entry where the user was", "looked for by its anchor", "", "TestLDAP2MovedUserKeepsLoginAndGroups TestSlapd TestDS389 TestSamba"},
	{"anchor.go checkSame", "the entry without its anchor", "no answer", "ldap.user.no_anchor", "TestAnchorThatIsHiddenIsNoAnswer"},
	{"standing.go", "neither user_filter nor its opposite is true", "no answer", "ldap.user.unreadable", "TestLDAP8NoSilentNo"},
	{"standing.go", "the base is not there", "no answer", "ldap.search.no_base", "TestRevalidateKeepsToTheBases TestLDAP8NoSilentNo"},
	{"account_state.go lockState", "a policy that cannot be read", "the state without its end", "", "TestCLI2LockedUntil TestRevalidateKnowsWhenALockIsOver"},
	{"domains.go", "the partition of the configuration cannot be read", "domains by user_bases", "", "TestLDAP6WithoutThePartitionNothingIsLearnt"},
	{"forest.go", "no controller of the user's domain", "unknown groups", "ldap.groups.other_domain", "TestLDAP6ForestOfSeveralTrees"},
	{"schema.go", "the schema: no answer", "no answer, or unknown groups", "", "TestLDAP8SchemaThatIsNotAnswered"},
	{"search.go asService", "base is not there, or hidden (32)", "no answer", "ldap.search.no_base", "TestLDAP8NoSilentNo TestLDAP8BaseThatAnotherUserSees"},
	{"search.go search", "a limit with a part of the entries (3, 4, 11)", "no answer", "ldap.search.incomplete", "TestIncompleteGroupsAreAFailure TestLDAP8NoSilentNo TestSlapd"},
	{"search.go search", "pages without end", "no answer", "ldap.protocol", "TestLDAP8EndlessAnswersEnd"},
	{"search.go completeRanges", "ranges that make no sense", "no answer", "ldap.protocol", "TestRangesThatMakeNoSenseEnd TestPagesAndRangesAreCompleted"},
	{"numbers.go", "an answer to another question", "no answer", "ldap.protocol", "TestAnswerToAnotherQuestionIsNone TestLDAP8BadAnswersToASearchFindNothingOut"},
	{"groups_find.go searchMembers", "dynamic groups, which pages leave out", "asked without pages", "", "TestSlapdDynamicGroups TestLDAP8DynamicGroupsBeyondALimit"},
	{"schema.go doubtGroups", "group_filter, group_member_attrs, group_name_attr: not in the schema", "unknown groups", "ldap.schema.unknown", "TestLDAP8NoSilentNo"},
	{"groups.go listedGroups", "memberOf: no value, and that there is none is not true", "unknown groups", "ldap.groups.unreadable", "TestLDAP8OwnMemberOfThatCannotBeRead TestLDAP8NoSilentNo"},
	{"groups.go listedGroups", "memberOf: no value, and a group has the user", "unknown groups", "ldap.groups.no_memberof", "TestLDAP8NoSilentNo"},
	{"groups_id.go hidden", "memberOf names what nobody sees", "a group by its DN, others unknown", "ldap.groups.hidden", "TestMemberOfWhatCannotBeRead TestGroupsAroundOneThatCannotBeRead TestLDAP8GroupsThatNoSearchFinds"},
	{"groups_doubt.go doubtUnseen", "a search for members does not find what memberOf names", "unknown groups", "ldap.groups.hidden", "TestLDAP8GroupThatNoSearchForMembersFinds TestLDAP8GroupsThatNoSearchFinds"},
	{"groups_doubt.go doubtNames", "a group whose short name cannot be read", "unknown short names", "ldap.groups.unreadable", "TestLDAP8NameOfAGroupThatCannotBeRead TestLDAP8MissingGroupMayShareAShortName"},
	{"groups_sid.go doubtSIDs", "a SID of the token that no search finds", "unknown groups", "ldap.groups.hidden", "TestLDAP8GroupsThatNoSearchFinds"},
	{"groups.go direct", "no tokenGroups, primaryGroupID or gidNumber", "no answer, or unknown groups", "ldap.groups.unreadable", "TestGroupsThatCannotBeReadAreAFailure"},
	{"groups_self.go readEntry", "the entry of the user has gone", "no answer", "", "TestGroupsOfAVanishedUserAreNotKnown"},
	{"groups_walk.go walk", "groups deeper than group_depth", "unknown groups", "ldap.groups.too_deep", "TestLDAP8GroupsDeeperThanTheDepthAreNotKnown"},
	{"blind_find.go blindOf", "groups of rules whose members cannot be read", "unknown groups", "ldap.groups.unreadable", "TestLDAP8OneGroupWhoseMembersCannotBeRead TestLDAP8GroupInAGroupWhoseMembersCannotBeRead"},
	{"blind_find.go blindOfAll", "not all groups come, in parts neither", "unknown groups", "ldap.groups.unreadable", "TestLDAP8WhereNotAllGroupsCameARuleIsUnknown TestLDAP8PartsThatComeTooSlowlyAreNotAskedForAgain"},
	{"groups_find.go ruleOut", "neither filter_group nor its opposite is true", "unknown short names", "ldap.groups.undecided", "TestLDAP8NoSilentNo"},
	{"groups_names.go bearers", "a short name of several groups", "answer: of neither", "groups.ambiguous", "TestNameOfTwoGroupsCountsForNeither TestCLI3RememberedNameIsOfOneGroup"},
}

// TestEveryQuestionHasATest prints the table, and makes sure that its tests and codes are
// there.
func TestEveryQuestionHasATest(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, q := range questions {
		t.Logf("%-30s | %-78s | %-34s | %-24s | %s", q.place, q.question, q.taken, q.code, q.tests)
		file, _, _ := strings.Cut(q.place, " ")
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
		if q.code != "" && q.code.Advice() == "" {
			t.Errorf("%s: there is no code %s", q.place, q.code)
		}
		for name := range strings.FieldsSeq(q.tests) {
			if !regexp.MustCompile(`(?m)^func ` + name + `\(`).MatchString(all.String()) {
				t.Errorf("%s: there is no test %s", q.place, name)
			}
		}
	}
}
