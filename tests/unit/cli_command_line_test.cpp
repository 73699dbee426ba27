#include <doctest/doctest.h>

#include <algorithm>

#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/command_options.h"
#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx::cli {
namespace {

using Words = std::vector<std::string>;

CommandLine split(const Words& words) { return split_command_line(words, vocabulary()); }

TEST_CASE("the command stands anywhere between the options") {
  CHECK(split({"start", "app.js", "-n", "web"}).command == "start");
  CHECK(split({"-n", "stop", "start", "app.js"}).command == "start");
  CHECK(split({"-n", "stop", "start", "app.js"}).words == Words{"-n", "stop", "app.js"});
  CHECK(split({"--name=stop", "start"}).command == "start");
  CHECK(split({"-s", "logs", "--err"}).command == "logs");
  CHECK(split({"--err", "logs"}).command == "logs");
  CHECK(split({"--err", "e.log", "start", "app.js"}).command == "start");
  CHECK(split({"-i", "-1", "start", "app.js"}).command == "start");
  CHECK(split({"--balance", "rr", "start", "app.js"}).command == "start");
  CHECK(split({"--watch", "start", "app.js"}).command == "start");
  CHECK(split({"--no-such", "start"}).command == "start");
  CHECK(split({"--version"}).command.empty());
  CHECK(split({"no-such"}).command == "no-such");
  CHECK(split({}).command.empty());
}

TEST_CASE("what follows -- belongs to the app, byte for byte") {
  const CommandLine line = split({"start", "a", "--", "-n", "--", "", "b c", "[1,2]", "\xff"});
  CHECK(line.words == Words{"a"});
  CHECK(line.app_args == Words{"-n", "--", "", "b c", "[1,2]", "\xff"});
  CHECK(split({"--", "start"}).command.empty());
}

TEST_CASE("several stop exit codes") {
  CHECK(split({"start", "a.js", "--stop-exit-codes", "3", "5", "-n", "x"}).words ==
        Words{"a.js", "--stop-exit-codes", "3,5", "-n", "x"});
  CHECK(split({"start", "--stop-exit-codes", "3,5", "a.js"}).words ==
        Words{"--stop-exit-codes", "3,5", "a.js"});
  CHECK(split({"start", "--stop-exit-codes"}).words == Words{"--stop-exit-codes"});
}

struct Parsed {
  Words words;
  std::optional<int> number;
  std::optional<std::string> text;
  std::optional<std::string> stamp;
  bool flag = false;
  GlobalOptions global;
};

Parsed parse(const Words& words, bool negative = false) {
  Parsed parsed;
  Arguments arguments({"start", words, {}}, "start <x>", "", parsed.global);
  arguments.words("x", parsed.words, 1, 3);
  arguments.number("-i,--instances", parsed.number, "N", "");
  arguments.text("-n,--name", parsed.text, "TEXT", "");
  arguments.flag("-f,--force", parsed.flag, "");
  arguments.flag_with_text("--timestamp", parsed.stamp, "DEFAULT", "");
  if (negative) arguments.allow_negative_words();
  arguments.parse();
  return parsed;
}

TEST_CASE("options and words in any order") {
  const Parsed parsed = parse({"-f", "a", "-n", "web", "b", "-i", "4", "-s"});
  CHECK(parsed.words == Words{"a", "b"});
  CHECK(parsed.number == 4);
  CHECK(parsed.text == "web");
  CHECK(parsed.flag);
  CHECK(parsed.global.silent);
  CHECK_FALSE(parsed.stamp);
}

TEST_CASE("forms of values") {
  CHECK(parse({"a", "-i", "-1"}).number == -1);
  CHECK(parse({"a", "-i-1"}).number == -1);
  CHECK(parse({"a", "--instances=-2"}).number == -2);
  CHECK(parse({"a", "-n", "--x"}).text == "--x");
  CHECK(parse({"a", "-n", "one", "-n", "two"}).text == "two");
  CHECK(parse({"a", "-n", "[1,2]"}).text == "[1,2]");
  CHECK(parse({"[1,2]", "-"}).words == Words{"[1,2]", "-"});
  CHECK(parse({"a", "--timestamp", "b"}).stamp == "DEFAULT");
  CHECK(parse({"a", "--timestamp", "b"}).words == Words{"a", "b"});
  CHECK(parse({"a", "--timestamp=HH:mm"}).stamp == "HH:mm");
  CHECK(parse({"a", "-2"}, true).words == Words{"a", "-2"});
  CHECK(parse({"-2x", "a"}, true).words == Words{"a", "-2x"});
}

TEST_CASE("mistakes say what is wrong and what was meant") {
  const auto message = [](const Words& words) -> std::string {
    try {
      parse(words);
    } catch (const UsageError& error) {
      return std::string(error.what()) + " | " + error.hint();
    } catch (const Error& error) {
      return std::string("words: ") + error.what() + " | " + error.hint();
    }
    return {};
  };
  CHECK(message({"a", "--nmae", "x"}) == "pmx start has no option --nmae | did you mean --name?");
  CHECK(message({"a", "--instnces=3"}) ==
        "pmx start has no option --instnces | did you mean --instances?");
  CHECK(message({"a", "-2"}) != "");
  CHECK(message({}) == "words: missing argument: x | usage: pmx start <x>");
  CHECK(message({"a", "b", "c", "d"}) == "words: unexpected argument \"d\" | usage: pmx start <x>");
  CHECK(message({"a", "-i", "many"}) != "");
  CHECK(message({"a", "-i"}) != "");
  CHECK_THROWS_AS(parse({"--help"}), HelpRequested);
}

TEST_CASE("what an option does with the next word, told by the commands themselves") {
  const auto takes_value = vocabulary().takes_value;
  CHECK(takes_value("--name") == TakesValue::always);
  CHECK(takes_value("-n") == TakesValue::always);
  CHECK(takes_value("--force") == TakesValue::never);
  CHECK(takes_value("--watch") == TakesValue::never);
  CHECK(takes_value("--silent") == TakesValue::never);
  CHECK(takes_value("--err") == TakesValue::sometimes);
  CHECK(takes_value("--no-such") == TakesValue::never);
  for (const OptionInfo& option : global_options())
    for (const std::string& name : option.names) CHECK(takes_value(name) == TakesValue::never);
}

TEST_CASE("nearest") {
  const Words words = {"start", "stop", "restart", "describe"};
  CHECK(nearest("strat", words) == "start");
  CHECK(nearest("Stop", words) == "stop");
  CHECK(nearest("desc", words) == "describe");
  CHECK(nearest("reload", words) == std::nullopt);
}

}  // namespace
}  // namespace pmx::cli
