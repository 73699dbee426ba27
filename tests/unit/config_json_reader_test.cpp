#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "common/base/error.h"
#include "common/config/json_reader.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

Json read(const std::string& text) { return read_json(text, "x.json").root; }

std::string problem(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

TEST_CASE("JSON is read as by the library") {
  for (const char* text : {"{}",
                           "[]",
                           "null",
                           " true ",
                           "false",
                           "0",
                           "-0",
                           "12",
                           "-12",
                           "1.5",
                           "-1.5e3",
                           "1E-2",
                           "18446744073709551615",
                           "-9223372036854775807",
                           "-9223372036854775808",
                           "123456789012345678901234567890",
                           R"("")",
                           R"("a\"b\\c\/\b\f\n\r\t\u00e9\ud83d\ude00")",
                           R"({"a": {"b": [1, [2, {}], "x"]}, "": null})",
                           "\"\xc3\xa9\xf0\x9f\x98\x80\""}) {
    CAPTURE(text);
    CHECK(read(text) == Json::parse(text));
  }
}

TEST_CASE("habits of JSON5 and JavaScript") {
  CHECK(read("// begin\n{/* x\n */ a: 'it\\'s', $b_1: \"d\", \"c\": [1, 2,], 'd': 0x1F, e: +.5, f: "
             "5.,}//end") ==
        Json({{"a", "it's"}, {"$b_1", "d"}, {"c", {1, 2}}, {"d", 31}, {"e", 0.5}, {"f", 5.0}}));
  CHECK(read("'a\\\nb\\x41\\v'") == "abA\v");
  CHECK(read("\xEF\xBB\xBF[\"tab\there\"]") == Json::array({"tab\there"}));
  CHECK(read("{größe: 1, null: 2}") == Json({{"größe", 1}, {"null", 2}}));
}

TEST_CASE("every error has a place and says what was expected") {
  struct Row {
    const char* text;
    const char* what;
  };
  for (const Row& row : {
           Row{"", "1:1: expected a value, not the end of the file"},
           Row{"x", "1:1: expected a value, not \"x\""},
           Row{"{\n  \"apps\": [\n    {,}\n  ]\n}", "3:6: expected a key or \"}\", not \",\""},
           Row{"{\"apps\": [", "1:11: expected a value, not the end of the file"},
           Row{"[1 2]", "1:4: expected \",\" or \"]\", not \"2\""},
           Row{"{a 1}", "1:4: expected \":\" behind the key, not \"1\""},
           Row{"{a: 1 b: 2}", "1:7: expected \",\" or \"}\", not \"b\""},
           Row{"[,]", "1:2: expected a value, not \",\""},
           Row{"{1: 2}", "1:2: expected a key or \"}\", not \"1\""},
           Row{"[] []", "1:4: expected the end of the file, not \"[\""},
           Row{"[\n\n  {\"a\": \"\xff\"}]", "3:10: byte 0xff is not UTF-8"},
           Row{"{\"a\": \"x\ny\"}", "1:7: this text is not closed"},
           Row{"'abc", "1:1: this text is not closed"},
           Row{"'abc\\", "1:1: this text is not closed"},
           Row{"/* abc", "1:1: this comment is not closed"},
           Row{"[undefined]", "1:2: expected a value, not \"undefined\""},
           Row{"[NaN]", "1:2: expected a value, not \"NaN\""},
           Row{"[-Infinity]", "1:2: -Infinity is not a number"},
           Row{"[1e999]", "1:2: 1e999 is too large or too small a number"},
           Row{"[010]", "1:2: 010 is not a number: it begins with 0"},
           Row{"[1.2.3]", "1:2: 1.2.3 is not a number"},
           Row{"[0x]", "1:2: 0x is not a number"},
           Row{"[-]", "1:2: - is not a number"},
           Row{"[--1]", "1:2: --1 is not a number"},
           Row{"[+-1]", "1:2: +-1 is not a number"},
           Row{"['\\ud800']", "1:9: half a character (surrogate)"},
           Row{"['\\u12g4']", "1:5: expected 4 hexadecimal digits, not \"12g4\""},
           Row{"['\\1']", "1:4: a backslash before a digit"},
           Row{"\x01", "1:1: expected a value, not byte 0x01"},
       }) {
    CAPTURE(row.text);
    CHECK(problem(row.text) == std::string("x.json:") + row.what);
  }
}

TEST_CASE("lines, and keys that are given twice") {
  const ConfigDocument document =
      read_json("{\n\"apps\": [\n  {\n    \"name\":\n \"a/b\"},\n {x: 1, x: 2}\n]}", "x.json");
  CHECK(document.line_of("") == 1);
  CHECK(document.line_of("/apps") == 2);
  CHECK(document.line_of("/apps/0") == 3);
  CHECK(document.line_of("/apps/0/name") == 4);
  CHECK(document.line_of("/apps/1/x/none") == 6);
  CHECK(document.root["apps"][1]["x"] == 1);
  REQUIRE(document.problems.size() == 1);
  CHECK(document.problems[0].line == 6);
  CHECK(document.problems[0].text == "key \"x\" is given twice, first on line 6");
  CHECK(pointer_to("/a", "b/c~d") == "/a/b~1c~0d");
}

TEST_CASE("nesting has an end") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(problem(nested(100)) == "accepted");
  CHECK(problem(nested(102)) == "x.json:1:102: nested more than 100 deep");
  CHECK(problem(std::string(1'000'000, '[')).starts_with("x.json:1:102: "));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{a:";
  CHECK(problem(objects).find("nested more than") != std::string::npos);
}

// Whatever the bytes: a value or an Error.
TEST_CASE("damaged text") {
  const std::string whole =
      "{apps: [{\"name\": 'w\\u00e9b', script: \"a.js\", // c\n env: {A: -1.5e3, B: [true, "
      "null]}}]}";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CHECK(problem(whole.substr(0, length)).starts_with("x.json:"));
  }
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (int change = 0; change < 3; ++change) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    const std::string said = problem(text);
    const bool is_told = said == "accepted" || said.starts_with("x.json:");
    CHECK(is_told);
  }
}

}  // namespace
}  // namespace pmx
