#include <doctest/doctest.h>

#include "cli/monit/model.h"
#include "cli/monit/sparkline.h"
#include "cli/monit/text.h"
#include "cli/render/text_width.h"
#include "tests/golden/golden_data.h"

namespace pmx::cli::monit {
namespace {

using Kind = Input::Kind;

std::vector<InstanceStatus> fleet() {
  std::vector<InstanceStatus> all = {golden::instance(0, "web", InstanceState::online),
                                     golden::instance(1, "web", InstanceState::online),
                                     golden::instance(2, "api", InstanceState::stopped),
                                     golden::instance(3, "Worker", InstanceState::errored)};
  all[1].cpu_percent = 90;
  return all;
}

struct Fixture {
  Model model;
  Fixture() {
    model.set_size({24, 80});
    model.set_instances(fleet());
  }
  void type(const std::string& text) {
    for (const char c : text) model.handle({Kind::character, std::string(1, c)});
  }
  void press(Kind kind) { model.handle({kind}); }
  [[nodiscard]] std::vector<int> ids() const {
    std::vector<int> ids;
    for (const std::size_t index : model.list().shown())
      ids.push_back(model.list().all()[index].pm_id);
    return ids;
  }
};

TEST_CASE("a sparkline has its newest value at the right and its largest at the top") {
  CHECK(sparkline({}, 3, 10) == "   ");
  CHECK(sparkline({0, 5, 10}, 5, 10) == "  ▁▅█");
  CHECK(sparkline({100, 0, 50, 200}, 3, 10) == "▁▃█");
  CHECK(sparkline({1}, 1, 100) == "▁");
}

TEST_CASE("a line of a log cannot steer the terminal") {
  CHECK(plain_line("plain ü 日") == "plain ü 日");
  CHECK(plain_line("\x1b[31mred\x1b[0m and \x1b]0;title\ahere\r") == "red and here");
  CHECK(plain_line("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "link");
  CHECK(plain_line("a\tb") == "a       b");
  CHECK(plain_line(std::string("bell\a nul") + '\0') == "bell? nul?");
  CHECK(plain_line("cut \x1b[3") == "cut ");
  CHECK(plain_line("cut \x1b") == "cut ");
}

TEST_CASE("texts are fitted and wrapped by columns, not bytes") {
  CHECK(fitted("日本語", 5) == "日本…");
  CHECK(fitted("ab", 4) == "ab  ");
  CHECK(fitted("ab", 4, true) == "  ab");
  const auto rows = wrapped("日本語ab", 4);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == "日本");
  CHECK(rows[1] == "語ab");
  CHECK(wrapped("", 4).size() == 1);
  CHECK(wrapped("日", 1).size() == 1);  // no endless loop
}

TEST_CASE_FIXTURE(Fixture, "the filter takes words, in any case, and the selection stays") {
  press(Kind::down);
  press(Kind::down);
  CHECK(model.selected()->pm_id == 2);
  type("/A");
  CHECK(ids() == std::vector<int>{0, 1, 2, 3});  // namespace "default" has an a
  CHECK(model.selected()->pm_id == 2);
  type("pi sto");
  CHECK(ids() == std::vector<int>{2});
  press(Kind::enter);
  CHECK(model.prompt() == Prompt::none);
  CHECK(ids() == std::vector<int>{2});
  press(Kind::escape);
  CHECK(ids().size() == 4);
  CHECK(model.selected()->pm_id == 2);
  type("/zzz");
  CHECK(model.selected() == nullptr);
  type("\x15worker");
  CHECK(model.selected()->pm_id == 3);
  press(Kind::backspace);
  CHECK(model.typed() == "worke");
  CHECK_FALSE(model.wants_to_quit());
}

TEST_CASE_FIXTURE(Fixture, "orders, by key and by the list's head") {
  CHECK(ids() == std::vector<int>{0, 1, 2, 3});
  type("o");
  CHECK(ids() == std::vector<int>{3, 2, 0, 1});  // by name
  type("o");
  CHECK(model.list().order() == "cpu:desc");
  CHECK(ids().front() == 1);
  type("O");
  CHECK(model.list().order() == "cpu");
  model.handle({Kind::click, {}, 1, 6});
  CHECK(model.list().order() == "name");
  model.handle({Kind::click, {}, 1, 6});
  CHECK(model.list().order() == "name:desc");
}

TEST_CASE_FIXTURE(Fixture, "the selection stays with its instance, or goes to its neighbour") {
  press(Kind::end);
  CHECK(model.selected()->pm_id == 3);
  auto less = fleet();
  less.erase(less.begin());
  model.set_instances(less);
  CHECK(model.selected()->pm_id == 3);
  less.pop_back();
  model.set_instances(less);
  CHECK(model.selected()->pm_id == 2);
  model.set_instances({});
  CHECK(model.selected() == nullptr);
  press(Kind::down);
  press(Kind::page_up);
  type("sDrR+-");
  CHECK_FALSE(model.take_action());
}

TEST_CASE_FIXTURE(Fixture, "what hurts is asked for first") {
  type("s");
  REQUIRE(model.question());
  CHECK(model.question()->text == "stop web?  y: web (0), a: all 2 of web, n: no");
  type("x");
  CHECK_FALSE(model.question());
  CHECK_FALSE(model.take_action());
  type("sy");
  auto action = model.take_action();
  REQUIRE(action);
  CHECK(action->verb == Verb::stop);
  CHECK(action->target == "0");
  CHECK_FALSE(model.take_action());
  type("Da");
  action = model.take_action();
  REQUIRE(action);
  CHECK(action->verb == Verb::remove);
  CHECK(action->target == "web");
  type("+");
  action = model.take_action();
  REQUIRE(action);
  CHECK(action->verb == Verb::scale);
  CHECK(action->difference == 1);
  type("-");
  REQUIRE(model.question());
  CHECK(model.question()->text == "scale web from 2 to 1?  y: yes, n: no");
  press(Kind::escape);
  CHECK_FALSE(model.question());
  CHECK_FALSE(model.wants_to_quit());
  type("R");
  action = model.take_action();
  REQUIRE(action);
  CHECK(action->target == "web");
}

TEST_CASE_FIXTURE(Fixture, "what does not hurt is done at once, the last instance stays") {
  type("/api");
  press(Kind::enter);
  type("r");
  const auto action = model.take_action();
  REQUIRE(action);
  CHECK(action->verb == Verb::restart);
  CHECK(action->target == "2");
  type("-");
  CHECK_FALSE(model.question());
  CHECK(model.message().text == "it has one instance; D deletes it");
}

TEST_CASE("an instance is never mistaken for an app that has its id as a name") {
  std::vector<InstanceStatus> all = {golden::instance(0, "1", InstanceState::online),
                                     golden::instance(1, "web", InstanceState::online),
                                     golden::instance(2, "all", InstanceState::online)};
  CHECK(on_instance(Verb::stop, all[1], all)->target == "web");
  CHECK(on_instance(Verb::stop, all[0], all)->target == "0");
  CHECK_FALSE(on_app(Verb::stop, all[2], all));
  CHECK(on_instance(Verb::stop, all[2], all)->target == "2");
  all.push_back(golden::instance(3, "web", InstanceState::online));
  CHECK_FALSE(on_instance(Verb::stop, all[1], all));
  CHECK(on_app(Verb::stop, all[1], all)->target == "web");
}

TEST_CASE_FIXTURE(Fixture, "panes: left and right, Enter, zoom, and Esc back to the end") {
  press(Kind::right);
  CHECK(model.focus() == Pane::logs);
  press(Kind::right);
  CHECK(model.focus() == Pane::details);
  CHECK(model.below() == Pane::details);
  press(Kind::left);
  press(Kind::left);
  CHECK(model.focus() == Pane::list);
  CHECK(model.below() == Pane::logs);
  press(Kind::enter);
  CHECK(model.focus() == Pane::logs);
  type("z");
  CHECK(model.layout().pane.height == 20);
  CHECK(model.layout().list.height == 0);
  press(Kind::escape);
  CHECK(model.layout().list.height > 0);
  press(Kind::escape);
  CHECK(model.focus() == Pane::list);
  press(Kind::escape);
  CHECK(model.wants_to_quit());
}

TEST_CASE_FIXTURE(Fixture, "the help goes with any key, but q quits") {
  type("?");
  CHECK(model.shows_help());
  press(Kind::down);
  CHECK_FALSE(model.shows_help());
  CHECK(model.selected()->pm_id == 0);
  type("?q");
  CHECK(model.wants_to_quit());
}

TEST_CASE_FIXTURE(Fixture, "the mouse selects, focuses and scrolls what is under it") {
  model.handle({Kind::click, {}, 4, 10});
  CHECK(model.selected()->pm_id == 2);
  model.handle({Kind::click, {}, 20, 10});  // below the last instance: the logs
  CHECK(model.focus() == Pane::logs);
  CHECK(model.selected()->pm_id == 2);
  for (int i = 0; i < 100; ++i) model.logs().add(LogStream::out, "line");
  model.handle({Kind::wheel_up, {}, 20, 10});
  CHECK(model.logs().below() == 3);
  model.handle({Kind::wheel_down, {}, 3, 10});
  CHECK(model.selected()->pm_id == 3);
  CHECK(model.logs().size() == 0);  // they were another's
}

TEST_CASE("logs: scrolled away they stay, and are bounded") {
  LogLines logs;
  for (int i = 0; i < 100; ++i) logs.add(LogStream::out, std::to_string(i));
  const auto bottom = [&] { return std::string(logs.rows(10, 40).back().text); };
  CHECK(bottom() == "99");
  logs.scroll(10);
  CHECK(bottom() == "89");
  logs.add(LogStream::err, "100");
  CHECK(bottom() == "89");
  CHECK(logs.below() == 11);
  logs.scroll_to_begin();
  CHECK(logs.rows(10, 40).size() == 1);
  for (std::size_t i = 0; i < LogLines::kMaxLines; ++i) logs.add(LogStream::out, "new");
  CHECK(logs.size() == LogLines::kMaxLines);
  CHECK(logs.below() < LogLines::kMaxLines);
  CHECK(logs.rows(10, 40).back().text == "new");
  logs.scroll_to_end();
  logs.add(LogStream::out, std::string(10'000, 'x'));
  CHECK(logs.rows(10, 40).size() == 10);
}

TEST_CASE("logs: the search goes round, marks matches, also over the end of a row") {
  LogLines logs;
  for (int i = 0; i < 30; ++i) logs.add(LogStream::out, i % 10 == 5 ? "an Error here" : "nothing");
  CHECK_FALSE(logs.next_match(true));
  logs.search("error");
  CHECK(logs.matches() == 3);
  CHECK(logs.next_match(true));
  CHECK(logs.below() == 4);
  CHECK(logs.next_match(true));
  CHECK(logs.below() == 14);
  CHECK(logs.next_match(false));
  CHECK(logs.below() == 4);
  CHECK(logs.next_match(false));
  CHECK(logs.below() == 24);
  const auto rows = logs.rows(2, 5);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].text == "ror h");
  CHECK(rows[0].match_begin == 0);
  CHECK(rows[0].match_end == 3);
  CHECK(rows[1].match_begin == rows[1].match_end);
  CHECK_FALSE(rows[0].is_first);
}

TEST_CASE_FIXTURE(Fixture, "details belong to the selected one, secrets are hidden") {
  InstanceStatus one = fleet()[0];
  one.detail.emplace();
  one.detail->spec.env = {{"DB_PASSWORD", "hunter2"}, {"PORT", "80"}, {"A_SHELL", "bash"}};
  one.detail->spec.own_env = {"PORT", "DB_PASSWORD"};
  one.detail->spec.secret_files = {{"KEY", "/run/secrets/key"}};
  model.set_detail(one, golden::kNow);
  const auto lines = model.environment().lines(20, 60);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].key == "DB_PASSWORD");
  CHECK(lines[0].value == "[hidden]");
  CHECK(lines[1].key == "PORT");
  CHECK(lines[2].value == "(read from /run/secrets/key)");
  CHECK(lines[3].key.empty());
  CHECK(lines[4].key == "A_SHELL");
  CHECK_FALSE(model.details().lines(50, 60).empty());
  press(Kind::down);
  CHECK(model.details().lines(50, 60).empty());
  model.set_detail(one, golden::kNow);  // came too late
  CHECK(model.details().lines(50, 60).empty());
}

TEST_CASE("a pane of texts scrolls no further than its end") {
  TextPane pane;
  std::vector<DescribedRow> rows;
  for (int i = 0; i < 20; ++i) rows.push_back({"key", std::to_string(i)});
  rows.push_back({"long", std::string(100, 'x')});
  pane.set(rows);
  pane.scroll(1000, 10, 45);
  const auto lines = pane.lines(10, 45);
  REQUIRE(lines.size() == 10);
  CHECK(lines.back().value == std::string(20, 'x'));
  CHECK(lines[7].key == "long");
  pane.scroll(-1, 10, 45);
  CHECK(pane.lines(10, 45).back().value == std::string(40, 'x'));
  CHECK(pane.lines(40, 200).front().value == "0");  // a larger window shows all
}

}  // namespace
}  // namespace pmx::cli::monit
