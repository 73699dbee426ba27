#include "cli/log_view/log_view.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "common/base/date_pattern.h"

using namespace std::chrono_literals;
using pmx::LogFileEntry;
using pmx::LogStream;
using pmx::LogView;
using pmx::LogViewOptions;

namespace {

// A FILE that collects what is written.
class Output {
 public:
  Output() : file_(::open_memstream(&bytes_, &size_)) {}
  ~Output() {
    std::fclose(file_);
    std::free(bytes_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  [[nodiscard]] std::FILE* file() const { return file_; }
  [[nodiscard]] std::string text() const {
    std::fflush(file_);
    return {bytes_, size_};
  }

 private:
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_;
};

struct Fixture {
  std::string directory;
  Output out;
  Output err;
  LogViewOptions options;
  std::optional<LogView> view;

  Fixture() {
    std::string name = "/tmp/pmx-view-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~Fixture() {
    view.reset();
    std::filesystem::remove_all(directory);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return directory + "/" + name; }
  [[nodiscard]] LogFileEntry entry(int pm_id, const std::string& name,
                                   LogStream stream = LogStream::out) const {
    return {pm_id, name, stream,
            path(name + (stream == LogStream::out ? "-out.log" : "-error.log"))};
  }
  void append(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary | std::ios::app) << bytes;
  }
  void set_age(const std::string& name, int seconds) const {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= seconds;
    const timespec times[2] = {now, now};
    REQUIRE(::utimensat(AT_FDCWD, path(name).c_str(), times, 0) == 0);
  }
  void show(std::vector<LogFileEntry> files) {
    view.emplace(options, out.file(), err.file());
    view->set_files(std::move(files));
    view->print_history();
  }
  // Handles events until `condition`, or until nothing happened for `limit`.
  template <typename Condition>
  bool eventually(Condition condition, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      pollfd ready{view->event_fd(), POLLIN, 0};
      if (left <= 0ms || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) return condition();
      view->on_ready();
    }
    return true;
  }
  bool eventually_shows(const std::string& text) {
    const bool is_shown = eventually([&] { return out.text() == text; });
    CHECK(out.text() == text);
    return is_shown;
  }
  // Nothing to do and nothing shown for a while.
  bool is_quiet(std::chrono::milliseconds time = 100ms) {
    const std::string before = out.text();
    eventually([] { return false; }, time);
    return out.text() == before;
  }
};

std::string numbered(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "history: last lines per file, oldest file first, prefixes padded") {
  append("worker-out.log", numbered(0, 100));
  append("api-out.log", "one\ntwo\n");
  append("api-error.log", "bad\n");
  set_age("api-out.log", 30);
  set_age("worker-out.log", 10);
  set_age("api-error.log", 20);
  options.lines = 2;
  show({entry(10, "worker"), entry(0, "api"), entry(0, "api", LogStream::err), entry(3, "absent")});
  CHECK(out.text() == path("api-out.log") + " last 2 lines:\n" +
                          "0|api      | one\n"
                          "0|api      | two\n" +
                          path("api-error.log") + " last 2 lines:\n" + "0|api      | bad\n" +
                          path("worker-out.log") + " last 2 lines:\n" +
                          "10|worker  | line 98\n"
                          "10|worker  | line 99\n");
  CHECK(err.text().empty());
}

TEST_CASE_FIXTURE(Fixture, "history is exact for lines longer than any block and for odd ends") {
  std::string long_line(300'000, 'L');
  options.format = pmx::LogFormat::raw;
  options.lines = 2;
  const std::string head = path("a-out.log") + " last 2 lines:\n";
  SUBCASE("long lines") {
    append("a-out.log", "first\n" + long_line + "\n" + long_line + "\n");
    show({entry(0, "a")});
    CHECK(out.text() == head + long_line + "\n" + long_line + "\n");
  }
  SUBCASE("unfinished last line counts") {
    append("a-out.log", "first\nsecond\nthird");
    show({entry(0, "a")});
    CHECK(out.text() == head + "second\nthird");
  }
  SUBCASE("fewer lines than asked") {
    append("a-out.log", "only\n");
    show({entry(0, "a")});
    CHECK(out.text() == head + "only\n");
  }
  SUBCASE("empty lines count") {
    append("a-out.log", "x\n\n\n");
    show({entry(0, "a")});
    CHECK(out.text() == head + "\n\n");
  }
  SUBCASE("newlines on block borders") {
    std::string text;
    for (int i = 0; i < 5; ++i) text += std::string(65535, static_cast<char>('a' + i)) + "\n";
    append("a-out.log", text);
    show({entry(0, "a")});
    CHECK(out.text() == head + text.substr(3 * 65536));
  }
  SUBCASE("none asked: no header either") {
    options.lines = 0;
    append("a-out.log", "x\n");
    view.emplace(options, out.file(), err.file());
    show({entry(0, "a")});
    append("a-out.log", "y\n");
    CHECK(eventually_shows("y\n"));
  }
}

TEST_CASE_FIXTURE(Fixture, "raw: bytes as they are, err lines to the err output") {
  options.format = pmx::LogFormat::raw;
  options.lines = 1;
  const std::string odd("\0\xff\xc3 half", 8);
  append("a-out.log", odd + "\n");
  append("a-error.log", "E" + odd + "\n");
  set_age("a-out.log", 10);
  show({entry(0, "a"), entry(0, "a", LogStream::err)});
  append("a-out.log", odd);
  append("a-error.log", odd);
  const std::string heads_and_out = path("a-out.log") + " last 1 lines:\n" + odd + "\n" +
                                    path("a-error.log") + " last 1 lines:\n";
  CHECK(eventually_shows(heads_and_out + odd));
  CHECK(eventually([&] { return err.text() == "E" + odd + "\n" + odd; }));
}

TEST_CASE_FIXTURE(Fixture, "no gap and no repetition between history and live, under load") {
  options.format = pmx::LogFormat::raw;
  options.lines = 1'000'000;
  constexpr int kLines = 200'000;
  append("a-out.log", numbered(0, 1000));
  std::thread writer([&] {
    std::ofstream file(path("a-out.log"), std::ios::app);
    for (int i = 1000; i < kLines; ++i) file << "line " << i << "\n";
  });
  show({entry(0, "a")});
  const std::string expected = path("a-out.log") + " last 1000000 lines:\n" + numbered(0, kLines);
  CHECK(eventually([&] { return out.text().size() >= expected.size(); }, 30s));
  writer.join();
  CHECK(out.text() == expected);
}

TEST_CASE_FIXTURE(Fixture, "unfinished lines are held, so files never mix; idle costs nothing") {
  options.lines = 0;
  append("a-out.log", "");
  append("b-out.log", "");
  show({entry(0, "a"), entry(1, "b")});
  append("a-out.log", "half");
  append("b-out.log", "whole\n");
  CHECK(eventually_shows("1|b  | whole\n"));
  append("a-out.log", " and half\nnext\n");
  CHECK(eventually_shows("1|b  | whole\n0|a  | half and half\n0|a  | next\n"));
  pollfd ready{view->event_fd(), POLLIN, 0};
  while (::poll(&ready, 1, 0) > 0) view->on_ready();
  CHECK(::poll(&ready, 1, 1200) == 0);
}

TEST_CASE_FIXTURE(Fixture, "an unfinished line is shown when it stops growing or gets too long") {
  options.lines = 0;
  append("a-out.log", "");
  show({entry(0, "a")});
  SUBCASE("still") {
    append("a-out.log", "last words");
    CHECK(eventually_shows("0|a  | last words\n"));
    append("a-out.log", "\nnew life\n");
    CHECK(eventually_shows("0|a  | last words\n0|a  | new life\n"));
  }
  SUBCASE("long") {
    const std::string block(64 * 1024, 'x');
    append("a-out.log", block + "\n" + block + "tail\n");
    CHECK(eventually_shows("0|a  | " + block + "\n0|a  | " + block + "\n0|a  | tail\n"));
  }
  SUBCASE("at the end of the program") {
    append("a-out.log", "held");
    CHECK(eventually([&] { return is_quiet(50ms); }));
    view.reset();
    CHECK(out.text() == "0|a  | held\n");
  }
}

TEST_CASE_FIXTURE(Fixture, "rotation by rename: the old file to its end, then the new one") {
  options.lines = 0;
  append("a-out.log", "");
  show({entry(0, "a")});
  append("a-out.log", "one\n");
  std::filesystem::rename(path("a-out.log"), path("a-out.log.1"));
  // The writer has the old file open still, and a tool made an empty new one.
  append("a-out.log", "");
  append("a-out.log.1", "two\n");
  CHECK(eventually_shows("0|a  | one\n0|a  | two\n"));
  append("a-out.log.1", "three\n");
  append("a-out.log", "four\n");
  const std::string four = "0|a  | one\n0|a  | two\n0|a  | three\n0|a  | four\n";
  CHECK(eventually_shows(four));
  append("a-out.log", "five\n");
  CHECK(eventually_shows(four + "0|a  | five\n"));
  std::filesystem::remove(path("a-out.log"));
  append("a-out.log", "six\n");
  CHECK(eventually_shows(four + "0|a  | five\n0|a  | six\n"));
}

TEST_CASE_FIXTURE(Fixture, "truncation starts anew") {
  options.lines = 0;
  append("a-out.log", numbered(0, 1000));
  show({entry(0, "a")});
  REQUIRE(::truncate(path("a-out.log").c_str(), 0) == 0);
  append("a-out.log", "fresh\n");
  CHECK(eventually_shows("0|a  | fresh\n"));
}

TEST_CASE_FIXTURE(Fixture, "a file, or its directory, that does not exist yet") {
  options.lines = 3;
  show({entry(0, "a"),
        {1, "deep", LogStream::out, path("x/y/deep.log")},
        {2, "n", LogStream::out, "/dev/null"}});
  CHECK(out.text().empty());
  append("a-out.log", "born\n");
  CHECK(eventually_shows("0|a     | born\n"));
  std::filesystem::create_directories(path("x/y"));
  append("x/y/deep.log", "dug\n");
  CHECK(eventually_shows("0|a     | born\n1|deep  | dug\n"));
  std::filesystem::remove_all(path("x"));
  std::filesystem::create_directories(path("x/y"));
  append("x/y/deep.log", "again\n");
  CHECK(eventually_shows("0|a     | born\n1|deep  | dug\n1|deep  | again\n"));
}

TEST_CASE_FIXTURE(Fixture, "set_files again: new ones from their beginning, old ones go") {
  options.lines = 1;
  append("a-out.log", "");
  append("old-out.log", "1\n2\n3\n");
  // Past the granularity of the clock that files are stamped with.
  std::this_thread::sleep_for(20ms);
  show({entry(0, "a")});
  const std::string head = out.text();
  append("b-out.log", "b1\nb2\n");
  append("a-out.log", "a1\n");
  view->set_files({entry(0, "a"), entry(1, "b"), entry(2, "old"), entry(5, "b")});
  CHECK(out.text() == head + "1|b    | b1\n1|b    | b2\n2|old  | 3\n");
  CHECK(eventually_shows(head + "1|b    | b1\n1|b    | b2\n2|old  | 3\n0|a    | a1\n"));
  append("a-out.log", "a2\nunfinished");
  view->set_files({entry(1, "b")});
  const std::string shown = head +
                            "1|b    | b1\n1|b    | b2\n2|old  | 3\n0|a    | a1\n"
                            "0|a  | a2\n0|a  | unfinished\n";
  append("a-out.log", "nobody looks\n");
  append("b-out.log", "b3\n");
  CHECK(eventually_shows(shown + "1|b  | b3\n"));
}

TEST_CASE_FIXTURE(Fixture, "colours, highlight, timestamp") {
  options.colour = true;
  options.lines = 1;
  options.highlight = "fox";
  options.timestamp = "[T]YYYY";
  append("a-out.log", "a fox, a fox\n");
  show({entry(0, "a"), entry(0, "a", LogStream::err)});
  const std::string head = "\x1b[2m" + path("a-out.log") + " last 1 lines:\x1b[22m\n" +
                           "\x1b[32m0|a  | \x1b[39ma \x1b[100mfox\x1b[49m, a fox\n";
  CHECK(out.text() == head);
  append("a-error.log", "no\n");
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  CHECK(eventually_shows(head + "\x1b[2mT" + std::to_string(parts.tm_year + 1900) +
                         "\x1b[22m \x1b[31m0|a  | \x1b[39mno\n"));
}

TEST_CASE("dates as pm2 writes them") {
  ::setenv("TZ", "UTC-02:30", 1);
  ::tzset();
  const auto time = std::chrono::system_clock::time_point(1'700'000'000'123ms);
  CHECK(pmx::format_date("YYYY-MM-DD-HH:mm:ss", time) == "2023-11-15-00:43:20");
  CHECK(pmx::format_date("D/M/YY h:m:s.SSS A a Z ZZ X x [at] ?", time) ==
        "15/11/23 12:43:20.123 AM am +02:30 +0230 1700000000 1700000000123 at ?");
  ::unsetenv("TZ");
  ::tzset();
}

TEST_CASE_FIXTURE(Fixture, "json: an object for each line, history too; records of pmx are read") {
  options.format = pmx::LogFormat::json;
  LogFileEntry dated = entry(1, "d");
  dated.date_format = "YYYY-MM-DDTHH:mm:ss";
  LogFileEntry json = entry(2, "j", LogStream::err);
  json.json = true;
  append("a-out.log", "plain \"text\"\n");
  append("d-out.log", "2026-01-02T03:04:05: hello: you\nhalf\n");
  append("j-error.log",
         R"({"message":"m\n","timestamp":"2026-01-02T03:04:05.678+00:00","type":"err"})"
         "\n{broken\n");
  set_age("a-out.log", 30);
  set_age("d-out.log", 20);
  set_age("j-error.log", 10);
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  show({entry(0, "a"), dated, json, {0, "PMX", LogStream::daemon, path("pmx.log")}});
  const std::string history =
      R"({"message":"plain \"text\"","timestamp":null,"type":"out","process_id":0,"app_name":"a"})"
      "\n"
      R"({"message":"hello: you","timestamp":"2026-01-02T03:04:05.000Z","type":"out","process_id":1,"app_name":"d"})"
      "\n"
      R"({"message":"half","timestamp":"2026-01-02T03:04:05.000Z","type":"out","process_id":1,"app_name":"d"})"
      "\n"
      R"({"message":"m","timestamp":"2026-01-02T03:04:05.678Z","type":"err","process_id":2,"app_name":"j"})"
      "\n"
      R"({"message":"{broken","timestamp":"2026-01-02T03:04:05.678Z","type":"err","process_id":2,"app_name":"j"})"
      "\n";
  CHECK(out.text() == history);
  append("pmx.log", "2026-01-02T03:04:06 pmxd: ready\n");
  CHECK(eventually_shows(
      history +
      R"({"message":"2026-01-02T03:04:06 pmxd: ready","timestamp":"2026-01-02T03:04:06.000Z","type":"PMX","process_id":"PMX","app_name":"PMX"})"
      "\n"));
  view->show_events({{3, "w", "exit", pmx::LogTime(1'700'000'000'123ms)}});
  CHECK(out.text().ends_with(
      R"({"timestamp":"2023-11-14T22:13:20.123Z","type":"process_event","status":"exit","app_name":"w","process_id":3})"
      "\n"));
  ::unsetenv("TZ");
  ::tzset();
}

TEST_CASE_FIXTURE(Fixture, "logfmt") {
  options.format = pmx::LogFormat::logfmt;
  append("a-error.log", "2026-01-02T03:04:05Z bad\n");
  append("b-out.log", "when?\n");
  set_age("a-error.log", 10);
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  show({entry(0, "a", LogStream::err), entry(1, "b")});
  CHECK(
      out.text() ==
      "timestamp=2026-01-02-03:04:05+0000 app=a id=0 type=error message=2026-01-02T03:04:05Z bad\n"
      "timestamp=- app=b id=1 type=out message=when?\n");
  ::unsetenv("TZ");
  ::tzset();
}

TEST_CASE_FIXTURE(Fixture, "grep: the last lines of those that match, live too") {
  options.lines = 2;
  options.filter.set_pattern("[05]$", false, false);
  append("a-out.log", numbered(0, 100));
  show({entry(0, "a")});
  const std::string history =
      path("a-out.log") + " last 2 lines:\n0|a  | line 90\n0|a  | line 95\n";
  CHECK(out.text() == history);
  append("a-out.log", numbered(100, 104));
  CHECK(eventually_shows(history + "0|a  | line 100\n"));
}

TEST_CASE_FIXTURE(Fixture, "since and until: by the date of lines, else by the age of the file") {
  options.lines.reset();
  const auto now = std::chrono::system_clock::now();
  options.filter.since = now - 1h;
  const auto dated = [&](std::chrono::minutes before, const char* text) {
    return pmx::format_date("YYYY-MM-DDTHH:mm:ss", now - before) + ": " + text + "\n";
  };
  LogFileEntry app = entry(0, "a");
  app.date_format = "YYYY-MM-DDTHH:mm:ss";
  append("a-out.log", dated(90min, "old") + "  of old\n" + dated(30min, "new") + "  of new\n" +
                          dated(1min, "newest"));
  append("b-out.log", "undated\n");
  append("c-out.log", "too old\n");
  set_age("c-out.log", 7200);
  SUBCASE("since") {
    show({app, entry(1, "b"), entry(2, "c")});
    CHECK(out.text().find("old\n") == std::string::npos);
    for (const char* text : {": new\n", "|   of new\n", ": newest\n", "undated\n"})
      CHECK(out.text().find(text) != std::string::npos);
    CHECK(err.text().find("b-out.log: lines in it have no date") != std::string::npos);
    CHECK(err.text().find("a-out.log") == std::string::npos);
  }
  SUBCASE("until too") {
    options.filter.until = now - 10min;
    show({app});
    CHECK(out.text().ends_with(": new\n0|a  |   of new\n"));
  }
}

TEST_CASE_FIXTURE(Fixture, "history goes on in the files that a log was put aside to") {
  options.lines = 5;
  append("a-out__2026-01-01_00-00-00.log", numbered(0, 3));
  append("a-out__2026-01-01_00-00-00_001.log", numbered(3, 6));
  append("a-out__2026-01-01_00-00-0x.log", "not one of them\n");
  append("a-out.log", numbered(6, 8));
  SUBCASE("the last lines") {
    show({entry(0, "a")});
    CHECK(out.text() == path("a-out.log") +
                            " last 5 lines:\n0|a  | line 3\n0|a  | line 4\n0|a  | line 5\n"
                            "0|a  | line 6\n0|a  | line 7\n");
  }
  SUBCASE("all since then") {
    options.lines.reset();
    options.format = pmx::LogFormat::raw;
    options.filter.since = std::chrono::system_clock::now() - 1h;
    show({entry(0, "a")});
    CHECK(out.text() == path("a-out.log") + ":\n" + numbered(0, 8));
  }
}

TEST_CASE_FIXTURE(Fixture, "several rotations between two looks: nothing is left out") {
  options.format = pmx::LogFormat::raw;
  options.lines = 0;
  append("a-out__2026-01-01_00-00-00.log", "before\n");
  append("a-out.log", "");
  show({entry(0, "a")});
  append("a-out.log", "one\n");
  std::filesystem::rename(path("a-out.log"), path("a-out__2026-01-01_00-00-01.log"));
  append("a-out__2026-01-01_00-00-02.log", "two\n");
  append("a-out__2026-01-01_00-00-03.log", "three\n");
  append("a-out.log", "four\n");
  CHECK(eventually_shows("one\ntwo\nthree\nfour\n"));
}
