#include "cli/monit/log_tail.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using pmx::cli::monit::LogLines;
using pmx::cli::monit::LogTail;

namespace {

struct Fixture {
  std::string directory;
  LogLines lines;
  LogTail tail{lines};

  Fixture() {
    std::string name = "/tmp/pmx-tail-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~Fixture() { std::filesystem::remove_all(directory); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  [[nodiscard]] std::string out() const { return directory + "/out.log"; }
  [[nodiscard]] std::string err() const { return directory + "/err.log"; }
  static void append(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
  }
  void show(int pm_id = 0) { tail.set_files(pm_id, out(), err()); }
  void take_events() {
    pollfd ready{.fd = tail.fd(), .events = POLLIN, .revents = 0};
    while (::poll(&ready, 1, 200) > 0) tail.on_ready();
  }
  // "!" before those of the error log.
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const LogLines::Row& row : lines.rows(1000, 3000)) {
      if (row.stream == pmx::LogStream::err) text += '!';
      text += std::string(row.text.substr(0, 80)) + '\n';
    }
    return text;
  }
};

TEST_CASE_FIXTURE(Fixture, "the last lines, then what is added, whole lines only") {
  append(out(), "one\ntwo\n");
  show();
  CHECK(text() == "one\ntwo\n");
  append(out(), "three\nun");
  take_events();
  append(err(), "bad\n");
  take_events();
  CHECK(text() == "one\ntwo\nthree\n!bad\n");
  append(out(), "finished\n");
  take_events();
  CHECK(text() == "one\ntwo\nthree\n!bad\nunfinished\n");
}

TEST_CASE_FIXTURE(Fixture, "a line without an end is shown when it does not grow any more") {
  append(out(), "prompt: ");
  show();
  tail.tick();
  CHECK(text().empty());
  tail.tick();
  CHECK(text() == "prompt: \n");
}

TEST_CASE_FIXTURE(Fixture, "truncated, and replaced by a rotation") {
  append(out(), "number one\n");
  show();
  std::filesystem::resize_file(out(), 0);
  append(out(), "two\n");
  take_events();
  std::filesystem::rename(out(), out() + ".1");
  append(out(), "three\n");
  take_events();
  CHECK(text() == "number one\ntwo\nthree\n");
}

TEST_CASE_FIXTURE(Fixture, "another instance with the same files begins anew") {
  append(out(), "one\n");
  show(0);
  lines.clear();
  show(0);
  CHECK(text().empty());
  show(1);
  CHECK(text() == "one\n");
  tail.set_files(2, "", "");
  CHECK(text().empty());
  append(out(), "two\n");
  take_events();
  CHECK(text().empty());
}

TEST_CASE_FIXTURE(Fixture, "both streams in one file, and a device instead of one") {
  append(out(), "one\n");
  tail.set_files(0, out(), out());
  CHECK(text() == "one\n");
  tail.set_files(1, "/dev/null", err());
  append("/dev/null", "nothing\n");
  append(err(), "late\n");
  take_events();
  CHECK(text() == "!late\n");
}

TEST_CASE_FIXTURE(Fixture, "a long history is cut, and so is what comes too fast") {
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "line " + std::to_string(i) + "\n";
  append(out(), many);
  show();
  CHECK(lines.size() == 500);
  CHECK(text().ends_with("line 9999\n"));
  append(out(), std::string(2'000'000, 'x') + "\n" + many);
  take_events();
  CHECK(text().find("lines left out") != std::string::npos);
  CHECK(text().ends_with("line 9999\n"));
  CHECK(lines.size() <= LogLines::kMaxLines);
}

}  // namespace
