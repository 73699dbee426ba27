// TreeWatchThread: what its thread sees comes to the control thread's loop, and only there.
#include "daemon/os/tree_watch_thread.h"

#include <doctest/doctest.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using pmx::FileWatch;
using pmx::TreeWatchThread;

namespace {

struct Bench {
  asio::io_context io;
  fs::path root;
  TreeWatchThread files;
  std::vector<std::string> changes;
  std::optional<std::string> problem;
  int begun = 0;

  explicit Bench(std::size_t max_watches = 100)
      : files([this](std::function<void()> work) { asio::post(io, std::move(work)); },
              max_watches) {
    std::string name = (fs::temp_directory_path() / "pmx-watch.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() { fs::remove_all(root); }

  std::unique_ptr<FileWatch::Watch> watch(const std::string& path = {}) {
    return watch(changes, path);
  }
  std::unique_ptr<FileWatch::Watch> watch(std::vector<std::string>& seen,
                                          const std::string& path = {}) {
    pmx::WatchEvents events;
    const auto here = std::this_thread::get_id();
    events.changed = [&seen, here](const std::string& each) {
      CHECK(std::this_thread::get_id() == here);
      seen.push_back(each);
    };
    events.problem = [this](const std::string& text) { problem = text; };
    events.begun = [this] { ++begun; };
    return files.watch({(root / path).string(),
                        [](std::string_view each, bool) { return each.ends_with(".tmp"); }},
                       std::move(events));
  }
  void write(const std::string& path) const { std::ofstream(root / path) << "x"; }
  template <class Condition>
  bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      io.restart();
      io.run_one_until(deadline);
    }
    return true;
  }
};

}  // namespace

TEST_CASE("what changes after the beginning is told in its order") {
  Bench bench;
  const auto watch = bench.watch();
  REQUIRE(bench.eventually([&] { return bench.begun == 1; }));
  CHECK(bench.changes.empty());
  bench.write("x.tmp");
  bench.write("a");
  bench.write("b");
  REQUIRE(bench.eventually([&] { return !bench.changes.empty() && bench.changes.back() == "b"; }));
  CHECK(bench.changes.front() == "a");
  CHECK(bench.begun == 1);
  CHECK_FALSE(bench.problem);
}

TEST_CASE("after its end nothing is told") {
  Bench bench;
  std::vector<std::string> ended;
  auto watch = bench.watch(ended);
  const auto other = bench.watch();
  REQUIRE(bench.eventually([&] { return bench.begun == 2; }));
  bench.write("a");
  watch.reset();
  // What has come to the other would have come to this one, too.
  REQUIRE(bench.eventually([&] { return !bench.changes.empty(); }));
  CHECK(ended.empty());
}

TEST_CASE("an end while the tree is being read, and that of the thread") {
  Bench bench(100'000);
  for (int i = 0; i < 2000; ++i) fs::create_directories(bench.root / std::to_string(i) / "deep");
  for (int i = 0; i < 20; ++i) {
    auto first = bench.watch();
    const auto second = bench.watch();
    first.reset();
  }
  CHECK(bench.begun == 0);
}

TEST_CASE("a problem comes before the beginning, and its end") {
  Bench bench;
  const auto watch = bench.watch("missing");
  REQUIRE(bench.eventually([&] { return bench.begun == 1; }));
  REQUIRE(bench.problem);
  CHECK(bench.problem->find("missing: No such file") != std::string::npos);
  fs::create_directories(bench.root / "missing");
  CHECK(bench.eventually([&] { return bench.problem->empty(); }));
  CHECK(bench.eventually([&] { return bench.changes == std::vector<std::string>{"."}; }));
}

TEST_CASE("of very many changes a bounded number is kept") {
  Bench bench;
  const auto watch = bench.watch();
  REQUIRE(bench.eventually([&] { return bench.begun == 1; }));
  for (int i = 0; i < 5000; ++i) bench.write(std::to_string(i));
  REQUIRE(bench.eventually([&] { return !bench.changes.empty(); }));
  CHECK(bench.changes.front() == "0");
  CHECK(bench.changes.size() <= 2000);
}
