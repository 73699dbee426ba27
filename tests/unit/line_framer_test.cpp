// LineFramer: what lines become.
#include "daemon/os/line_framer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using pmx::LineFramer;
using pmx::LogStyle;

namespace {

const auto kNow = std::chrono::system_clock::time_point{} + std::chrono::hours{24};

LineFramer dated() { return {LogStyle{"YYYY", false, "app"}, 3, "out"}; }

}  // namespace

TEST_CASE("only whole lines are taken, unless all is asked for") {
  const auto some = dated().frame("one\ntwo\nthr", false, kNow);
  CHECK(some.text == "1970: one\n1970: two\n");
  CHECK(some.used == 8);
  const auto none = dated().frame("thr", false, kNow);
  CHECK(none.text.empty());
  CHECK(none.used == 0);
  const auto all = dated().frame("two\nthr", true, kNow);
  CHECK(all.text == "1970: two\n1970: thr\n");
  CHECK(all.used == 7);
  CHECK(dated().frame("", true, kNow).used == 0);
}

TEST_CASE("empty lines and bytes of any kind stay") {
  using namespace std::string_literals;
  CHECK(dated().frame("\n\na\0\xff\n"s, false, kNow).text == "1970: \n1970: \n1970: a\0\xff\n"s);
}

TEST_CASE("one object for each line") {
  const LineFramer framer(LogStyle{"", true, "my \"app\""}, 3, "err");
  const std::string text = framer.frame("say \"hi\"\n\xff\n", false, kNow).text;
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  CHECK(first["message"] == "say \"hi\"\n");
  CHECK(first["type"] == "err");
  CHECK(first["process_id"] == 3);
  CHECK(first["app_name"] == "my \"app\"");
  CHECK(first["timestamp"].get<std::string>().starts_with("1970-01-0"));
  const auto second = nlohmann::json::parse(text.substr(text.find('\n') + 1));
  CHECK(second["message"] == "\xef\xbf\xbd\n");
}
