#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cli/config/toml_reader.h"
#include "cli/config/yaml_reader.h"
#include "common/base/error.h"
#include "common/config/ecosystem.h"
#include "common/config/json_reader.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

Json yaml(std::string_view text) { return read_yaml(text, "a.yaml").root; }
Json toml(std::string_view text) { return read_toml(text, "a.toml").root; }

template <class Read>
std::string problem(Read read, std::string_view text, const std::string& file) {
  try {
    read(text, file);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

std::string yaml_problem(std::string_view text) { return problem(read_yaml, text, "a.yaml"); }
std::string toml_problem(std::string_view text) { return problem(read_toml, text, "a.toml"); }

TEST_CASE("YAML: scalars are those of YAML 1.2") {
  CHECK(yaml("a: yes\nb: no\nc: on\nd: Off") ==
        Json{{"a", "yes"}, {"b", "no"}, {"c", "on"}, {"d", "Off"}});
  CHECK(yaml("[true, False, TRUE, null, ~, NULL, '', \"true\", 'null']") ==
        Json{true, false, true, nullptr, nullptr, nullptr, "", "true", "null"});
  CHECK(yaml("[1, -2, 1.5, 0x1F, 0o17, '3']") == Json{1, -2, 1.5, 31, 15, "3"});
  // What would be written back in another way is a text: versions, modes, phone numbers.
  CHECK(yaml("[1.10, 027, +5, 1_000, 1e3, 0.50, .5, 1., .inf, 2024-01-02, 12:30:00]") ==
        Json{"1.10", "027", "+5", "1_000", "1e3", "0.50", ".5", "1.", ".inf", "2024-01-02",
             "12:30:00"});
  CHECK(yaml("[!!str 3, !!int 3]") == Json{"3", 3});
  CHECK(yaml("a: |\n  one\n  two\nb: >-\n  one\n  two\n") ==
        Json{{"a", "one\ntwo\n"}, {"b", "one two"}});
  CHECK(yaml("") == Json());
  CHECK(yaml("a:") == Json{{"a", nullptr}});
  CHECK(yaml("# only a comment\n") == Json());
}

TEST_CASE("what is broken is said in words of the file, not of its reader") {
  CHECK(yaml_problem("a: [1,\n") == "a.yaml:2:1: a list that begins with [ is not closed");
  CHECK(yaml_problem("a: b: c") == "a.yaml:1:5: a second \": \" in one line");
  CHECK(yaml_problem("a: @x") == "a.yaml:1:4: a text cannot begin with this character");
  CHECK(yaml_problem("a: *x") == "a.yaml:1:4: there is no anchor of this name before");
  CHECK(toml_problem("name = x\n") == "a.toml:1:8: this is no value");
  CHECK(toml_problem("a = 1\na = 2\n") == "a.toml:2:5: this is given twice");
  CHECK(toml_problem("a = tru\n") == "a.toml:1:8: in the boolean: expected 'true', not 'tru'");
  CHECK(toml_problem("a = \n") ==
        "a.toml:1:5: in the key-value pair: expected value, but the line ends here");
  for (const char* text :
       {"a = [", "a = \"b", "a b = 1", "[a", "a = 1 2", "= 1", "a = 01", "a = 2020-13-01"}) {
    CAPTURE(text);
    CHECK(toml_problem(text).find("Error while") == std::string::npos);
    CHECK(toml_problem(text).find('\n') == std::string::npos);
  }
}

TEST_CASE("YAML: anchors and merge keys") {
  CHECK(yaml("base: &base {a: 1, b: 2}\napp:\n  <<: *base\n  b: 3\n").at("app") ==
        Json{{"a", 1}, {"b", 3}});
  CHECK(yaml("x: &x {a: 1}\ny: &y {a: 2, c: 3}\nz: {<<: [*x, *y], d: *x}\n").at("z") ==
        Json{{"a", 1}, {"c", 3}, {"d", {{"a", 1}}}});
  CHECK(yaml("x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y}\n").at("z") ==
        Json{{"a", 1}, {"b", 2}});
  CHECK(yaml("'<<': 1") == Json{{"<<", 1}});
  CHECK(yaml_problem("a: 1\nb: {<<: 3}") ==
        "a.yaml:2:9: << takes a mapping, or a list of mappings");
}

TEST_CASE("YAML: what is wrong has a place") {
  CHECK(yaml_problem("a: [1,\nb: 2").starts_with("a.yaml:2:1: "));
  CHECK(yaml_problem("a: *nobody").starts_with("a.yaml:1:4: "));
  CHECK(yaml_problem("a: 1\n\tb: 2").starts_with("a.yaml:2:1: "));
  CHECK(yaml_problem("a: 1\n---\nb: 2") ==
        "a.yaml:3:1: a second document begins here: one is expected");
  // The library reads this as documents without end.
  CHECK(yaml_problem("{a: 1} $[[ b@s:c ") ==
        "a.yaml:1:8: a second document begins here: one is expected");
  CHECK(yaml_problem("a: !ruby/object 1").starts_with("a.yaml:1:4: the tag !ruby/object"));
  CHECK(yaml_problem("[a, b]: 1") == "a.yaml:1:1: a key is a text");
  CHECK(yaml_problem("a: \xff") == "a.yaml: it is not UTF-8");
  CHECK(yaml_problem("a: &a [*a]").find("holds itself") != std::string::npos);
  CHECK(yaml_problem(std::string(200'000, '[')).find("nested more than") != std::string::npos);
  CHECK(yaml_problem(std::string(102, '[') + std::string(102, ']')).find("nested more than 100") !=
        std::string::npos);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) bomb += fmt::format("*a{}{}", i - 1, k < 9 ? ", " : "]\n");
  }
  CHECK(yaml_problem(bomb).find("more than 1000000 values") != std::string::npos);
}

TEST_CASE("TOML: tables and values") {
  CHECK(toml("[[apps]]\nname = 'web'\ninstances = 2\nratio = 1.5\non = true\n"
             "[apps.env]\nPORT = 80\nDAY = 2024-01-02\n[[apps]]\nargs = ['a', 'b']") ==
        Json{{"apps",
              {{{"name", "web"},
                {"instances", 2},
                {"ratio", 1.5},
                {"on", true},
                {"env", {{"PORT", 80}, {"DAY", "2024-01-02"}}}},
               {{"args", {"a", "b"}}}}}});
  CHECK(toml("") == Json::object());
}

TEST_CASE("TOML: what is wrong has a place") {
  CHECK(toml_problem("a = 1\nb = ").starts_with("a.toml:2:"));
  CHECK(toml_problem("a = 1\na = 2").starts_with("a.toml:2:"));
  CHECK(toml_problem("a = \"\xff\"").starts_with("a.toml:1:"));
  for (const char* slip : {"[=1]", "a = [1,}x]"}) {
    CAPTURE(slip);
    CHECK(toml_problem(slip) == "a.toml: it is no TOML");
  }
  CHECK(toml_problem("[x]\ny = inf") == "a.toml:2:5: expected a number that is finite");
  CHECK(toml_problem("a = " + std::string(200, '[') + std::string(200, ']')).find("a.toml:1:") ==
        0);
}

// The same findings at the same lines, whatever the format.
TEST_CASE("problems of apps have their lines in every format") {
  const EcosystemContext context{"/srv", {}, {}};
  const auto texts = [&](const ConfigDocument& document) {
    std::vector<std::string> all;
    for (const ConfigFinding& finding : examine_ecosystem(document, context).findings)
      all.push_back(to_text(finding, "f"));
    return all;
  };
  const auto of_yaml =
      texts(read_yaml("apps:\n"
                      "- name: web\n"
                      "  script: a.js\n"
                      "  kill_timeout: soon\n"
                      "  max_restart: 3\n"
                      "- name: web\n"
                      "  env:\n"
                      "    A: ${NOBODY}\n",
                      "f"));
  const auto of_toml =
      texts(read_toml("[[apps]]\n"
                      "name = 'web'\n"
                      "script = 'a.js'\n"
                      "kill_timeout = 'soon'\n"
                      "max_restart = 3\n"
                      "[[apps]]\nname = 'web'\n"
                      "env.A = '${NOBODY}'\n",
                      "f"));
  const auto of_json =
      texts(read_json("{\"apps\": [{\n"
                      "\"name\": \"web\",\n"
                      "\"script\": \"a.js\",\n"
                      "\"kill_timeout\": \"soon\",\n"
                      "\"max_restart\": 3},\n{"
                      "\n\"name\": \"web\",\n"
                      "\"env\": {\"A\": \"${NOBODY}\"}}]}",
                      "f"));
  CHECK(of_toml == of_json);
  REQUIRE(of_yaml.size() == 5);
  CHECK(of_yaml[0] ==
        "f:4: app \"web\": key \"kill_timeout\": expected milliseconds, or a text like \"5s\", "
        "\"10m\", \"1h\", not \"soon\"");
  CHECK(of_yaml[1] ==
        "f:5: app \"web\": key \"max_restart\" is not known, ignored (did you mean "
        "\"max_restarts\"?)");
  CHECK(of_yaml[2] == "f:6: app \"web\": key \"script\" is missing");
  CHECK(of_yaml[3] == "f:6: app \"web\": key \"name\": another app of this file has it");
  CHECK(of_yaml[4] ==
        "f:7: app \"web\": key \"env\": A: expected a variable NOBODY in the environment, or "
        "${NOBODY:-default}");
}

TEST_CASE("duplicate keys of YAML are a problem") {
  const ConfigDocument document = read_yaml("a: 1\nb: 2\na: 3", "f");
  REQUIRE(document.problems.size() == 1);
  CHECK(document.problems[0].line == 3);
  CHECK(document.problems[0].text == "key \"a\" is given twice, first on line 1");
}

}  // namespace
}  // namespace pmx::cli
