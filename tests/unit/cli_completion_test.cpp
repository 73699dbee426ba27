#include <doctest/doctest.h>

#include <algorithm>

#include "cli/completion/bash_line.h"
#include "cli/completion/complete.h"
#include "cli/completion/places.h"
#include "cli/completion/rc_block.h"
#include "common/base/error.h"

namespace pmx::cli {
namespace {

using Words = std::vector<std::string>;
using Beside = Completion::Beside;

struct Asked {
  Completion completion;
  int questions = 0;  // to the daemon
};

Asked ask(const Words& before, const std::string& current = {}) {
  Asked asked;
  asked.completion = complete(before, current, [&] {
    ++asked.questions;
    return std::vector<RunningApp>{{0, "api", "front"},
                                   {1, "api", "front"},
                                   {2, "my app:x/y", "back"},
                                   {3, "bad\nname", "back"}};
  });
  return asked;
}

Words words(const Asked& asked) {
  Words found;
  for (const Candidate& candidate : asked.completion.candidates) found.push_back(candidate.word);
  return found;
}

bool offers(const Asked& asked, const std::string& word) {
  const Words found = words(asked);
  return std::find(found.begin(), found.end(), word) != found.end();
}

TEST_CASE("commands, without a question to the daemon") {
  const Asked asked = ask({});
  CHECK(offers(asked, "start"));
  CHECK(offers(asked, "ls"));
  CHECK(asked.questions == 0);
  CHECK(offers(ask({"-s"}), "start"));
  CHECK(offers(ask({"help"}), "scale"));
  CHECK(words(ask({"no-such"})).empty());
}

TEST_CASE("targets: names, namespaces, ids, all") {
  const Asked asked = ask({"stop"});
  CHECK(words(asked) == Words{"api", "my app:x/y", "back", "front", "0", "1", "2", "3", "all"});
  CHECK(asked.questions == 1);
  CHECK(asked.completion.beside == Beside::nothing);
  CHECK(asked.completion.candidates.front().description == "app, 2 instances");
}

TEST_CASE("what has been named is not offered again") {
  CHECK_FALSE(offers(ask({"stop", "api"}), "api"));
  CHECK(offers(ask({"stop", "api"}), "my app:x/y"));
  CHECK(offers(ask({"restart", "--env", "api"}), "api"));
}

TEST_CASE("a target that is no name may be a file") {
  CHECK(ask({"restart"}, "./ap").completion.beside == Beside::files);
  CHECK(ask({"restart"}, "ap").completion.beside == Beside::nothing);
}

TEST_CASE("names only, ids only, files, as the usage says") {
  CHECK(words(ask({"id"})) == Words{"api", "my app:x/y"});
  CHECK(words(ask({"env"})) == Words{"0", "1", "2", "3"});
  CHECK(ask({"plan"}).completion.beside == Beside::files);
  CHECK(ask({"start"}).completion.beside == Beside::files);
  CHECK(offers(ask({"start"}), "api"));
  CHECK(words(ask({"scale", "api"})) == Words{"max"});
  CHECK(words(ask({"unit"})) == Words{"run", "start", "stop"});
  CHECK(offers(ask({"sendSignal"}), "SIGUSR2"));
  CHECK(offers(ask({"sendSignal", "SIGUSR2"}), "api"));
  CHECK(words(ask({"id", "api"})).empty());
  CHECK(words(ask({"ping"})).empty());
}

TEST_CASE("options, and the values of those where they are known") {
  CHECK(words(ask({"start"}, "-")).front() == "-n");
  CHECK(offers(ask({"start"}, "-"), "--balance"));
  CHECK(offers(ask({"start", "app.js"}, "--na"), "-n"));
  CHECK_FALSE(offers(ask({"list"}, "--"), "--balance"));
  CHECK(offers(ask({}, "-"), "--version"));
  CHECK(words(ask({"start", "--balance"})) == Words{"slots", "shared", "rr"});
  CHECK(words(ask({"start"}, "--balance=s")) ==
        Words{"--balance=slots", "--balance=shared", "--balance=rr"});
  CHECK(ask({"start", "--cwd"}).completion.beside == Beside::directories);
  CHECK(ask({"start"}, "--cwd=/").completion.beside == Beside::directories);
  CHECK(ask({"start", "-o"}).completion.beside == Beside::files);
  CHECK(ask({"start", "-u"}).completion.beside == Beside::users);
  CHECK(words(ask({"start", "--namespace"})) == Words{"back", "front"});
  CHECK(words(ask({"start", "--depends-on"})) == Words{"api", "my app:x/y"});
  CHECK(words(ask({"start", "--name"})).empty());
  CHECK(ask({"start", "--name"}).completion.beside == Beside::nothing);
  CHECK(words(ask({"--balance"})) == Words{"slots", "shared", "rr"});
}

TEST_CASE("the app's own arguments are files") {
  const Asked asked = ask({"start", "app.js", "--"}, "-");
  CHECK(words(asked).empty());
  CHECK(asked.completion.beside == Beside::files);
}

TEST_CASE("places of a usage line") {
  const auto places = places_of("scale <name> <n|+n|-n|max>... [-- app arguments]");
  REQUIRE(places.size() == 2);
  CHECK(places[0].alternatives[0].kind == PlaceKind::app_name);
  CHECK_FALSE(places[0].repeated);
  CHECK(places[1].repeated);
  CHECK(places[1].alternatives[0].kind == PlaceKind::unknown);
  CHECK(places[1].alternatives[3].kind == PlaceKind::literal);
  CHECK(alternatives_of("platform")[0].kind == PlaceKind::unknown);
}

constexpr const char* kBreaks = " \t\n\"'><=;|&(:";

std::string reply(const std::string& line, const std::string& word) {
  const BashLine read = read_bash_line(line, kBreaks);
  CHECK(word.starts_with(read.current));
  return bash_reply(read, word);
}

TEST_CASE("bash: words without their quotes") {
  const BashLine line = read_bash_line(R"(pmx stop "a b" c\ d 'e"f' g)", kBreaks);
  CHECK(line.before == Words{"stop", "a b", "c d", "e\"f"});
  CHECK(line.current == "g");
  CHECK(read_bash_line("pmx stop ", kBreaks).current.empty());
  CHECK(read_bash_line("pmx stop ", kBreaks).before == Words{"stop"});
  CHECK(read_bash_line("pm", kBreaks).before.empty());
}

TEST_CASE("bash: the answer goes behind what bash keeps") {
  CHECK(reply("pmx stop ", "my app") == "my\\ app");
  CHECK(reply("pmx stop my\\ a", "my app") == "my\\ app");
  CHECK(reply("pmx stop \"my a", "my app") == "my app");
  CHECK(reply("pmx stop 'my a", "my app's") == "my app'\\''s");
  CHECK(reply("pmx stop \"a", "a$b\"c") == "a\\$b\\\"c");
  CHECK(reply("pmx stop ns:w", "ns:web") == "web");
  CHECK(reply("pmx stop my\\ app:", "my app:x/y") == "x/y");
  CHECK(reply("pmx stop \"ns:w", "ns:web") == "ns:web");
  CHECK(reply("pmx start --balance=s", "--balance=slots") == "slots");
  CHECK(reply("pmx stop ", "größe;$(x)") == "größe\\;\\$\\(x\\)");
}

TEST_CASE("the block in a rc file") {
  const std::string rc = "alias x=y\n";
  const std::string with = with_block(rc, "line\n");
  CHECK(with == "alias x=y\n# >>> pmx completion >>>\nline\n# <<< pmx completion <<<\n");
  CHECK(with_block(with, "line\n") == with);
  CHECK(without_block(with_block(with + "more\n", "other\n")) == rc + "more\n");
  CHECK(without_block(rc) == rc);
  CHECK(with_block("no end", "line\n").starts_with("no end\n# >>>"));
  CHECK_THROWS_AS(with_block("# >>> pmx completion >>>\nline\n", ""), Error);
  CHECK_THROWS_AS(without_block("# <<< pmx completion <<<\n"), Error);
  CHECK_THROWS_AS(without_block(with + with), Error);
}

}  // namespace
}  // namespace pmx::cli
