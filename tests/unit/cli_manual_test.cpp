#include <doctest/doctest.h>

#include <set>

#include "cli/command_options.h"
#include "cli/manual/manual.h"
#include "common/base/error.h"
#include "common/config/ecosystem_help.h"
#include "common/config/ecosystem_keys.h"

namespace pmx::cli {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("text is no roff") {
  CHECK(roff_text("a-b\\c") == "a\\-b\\ec");
  CHECK(roff_text(".bashrc") == "\\&.bashrc");
  CHECK(roff_text("\"x\" 'y'") == "\\(dqx\\(dq \\(aqy\\(aq");
}

TEST_CASE("every command and option is in the manual") {
  const std::string manual = commands_of_manual();
  for (const Command& command : all_commands()) {
    for (const std::string& name : names_of(command)) CHECK(contains(manual, "\\fB" + name));
    for (const OptionInfo& option : options_of(command)) {
      const std::string name = "\\fB" + roff_text(option.names.front()) + "\\fR";
      CAPTURE(name);
      CHECK((contains(manual, name) || contains(global_options_of_manual(), name)));
    }
  }
  CHECK(contains(manual, "\\fBstop\\fR \\fItarget\\fR..."));
  CHECK(contains(manual, "\\fBslots\\fR|\\fBshared\\fR|\\fBrr\\fR"));
  CHECK(contains(manual, "\\fB\\-\\-watch\\fR[=\\fITEXT\\fR]"));
}

TEST_CASE("every key of a configuration file has its text, once") {
  const std::string manual = keys_of_manual();
  for (const EcosystemKey& key : ecosystem_keys()) {
    CAPTURE(key.name);
    CHECK_FALSE(ecosystem_help(key.name).empty());
    CHECK(contains(manual, "\\fB" + roff_text(key.name) + "\\fR"));
  }
  std::set<std::string_view> seen;
  for (const EcosystemSection& section : ecosystem_sections()) {
    for (const EcosystemHelp& help : section.keys) {
      CAPTURE(help.key);
      CHECK(seen.insert(help.key).second);
    }
  }
}

TEST_CASE("a page is prose with the tables in it") {
  CHECK(contains(manual_page("x @VERSION@\n@GLOBAL_OPTIONS@\npmx@alice\n"), ".TP\n\\fB\\-h\\fR"));
  CHECK_THROWS_AS(manual_page("@NO_SUCH_PART@\n"), Error);
}

}  // namespace
}  // namespace pmx::cli
