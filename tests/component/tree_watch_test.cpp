// TreeWatch: real directories; every change is told, what is ignored is not even looked into.
#include "daemon/os/tree_watch.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using pmx::TreeWatch;

namespace {

struct Bench {
  asio::io_context io;
  fs::path root;
  std::set<std::string> told;
  std::vector<std::string> problems;
  std::size_t max_watches = TreeWatch::kMaxWatches;

  Bench() {
    std::string name = (fs::temp_directory_path() / "pmx-watch.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
    fs::create_directories(root / "app");
  }
  ~Bench() { fs::remove_all(root); }

  pmx::WatchedRoot app(const std::string& path = "app") {
    pmx::WatchedRoot watched;
    watched.path = (root / path).string();
    watched.ignored = [](std::string_view each, bool) {
      return each.find("node_modules") != std::string_view::npos;
    };
    watched.changed = [this](const std::string& each) { told.insert(each); };
    watched.problem = [this](const std::string& text) { problems.push_back(text); };
    return watched;
  }
  void write(const std::string& path) const { std::ofstream(root / path) << "x"; }
  // Runs until all of `paths` have been told; what was told before does not count.
  bool tells(const std::set<std::string>& paths) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    const auto done = [&] {
      return std::includes(told.begin(), told.end(), paths.begin(), paths.end());
    };
    while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(100ms);
    const bool result = done();
    // Events come in order: what else is ready belongs to what was told.
    io.poll();
    return result;
  }
  bool tells_after_quiet(const std::set<std::string>& paths) {
    return tells(paths) && (told.clear(), true);
  }
};

}  // namespace

TEST_CASE("writing, making, removing and renaming files") {
  Bench bench;
  bench.write("app/old");
  TreeWatch watch(bench.io);
  watch.add(bench.app());
  CHECK(bench.told.empty());
  bench.write("app/old");
  CHECK(bench.tells_after_quiet({"old"}));
  bench.write("app/new");
  CHECK(bench.tells_after_quiet({"new"}));
  fs::rename(bench.root / "app/new", bench.root / "app/renamed");
  CHECK(bench.tells_after_quiet({"new", "renamed"}));
  fs::remove(bench.root / "app/renamed");
  CHECK(bench.tells({"renamed"}));
  CHECK(bench.told == std::set<std::string>{"renamed"});
}

TEST_CASE("directories that appear are watched with what is in them") {
  Bench bench;
  TreeWatch watch(bench.io);
  watch.add(bench.app());
  fs::create_directories(bench.root / "app/a/b/c");
  bench.write("app/a/b/c/early");
  CHECK(bench.tells_after_quiet({"a", "a/b/c/early"}));
  CHECK(watch.watches() == 4);
  bench.write("app/a/b/c/late");
  CHECK(bench.tells({"a/b/c/late"}));
}

TEST_CASE("a renamed directory goes on under its new name") {
  Bench bench;
  fs::create_directories(bench.root / "app/a/b");
  TreeWatch watch(bench.io);
  watch.add(bench.app());
  fs::rename(bench.root / "app/a", bench.root / "app/z");
  CHECK(bench.tells_after_quiet({"a", "z"}));
  CHECK(watch.watches() == 3);
  bench.write("app/z/b/file");
  CHECK(bench.tells({"z/b/file"}));
  fs::rename(bench.root / "app/z", bench.root / "away");
  CHECK(bench.tells_after_quiet({"z"}));
  CHECK(watch.watches() == 1);
}

TEST_CASE("ignored directories are not watched") {
  Bench bench;
  fs::create_directories(bench.root / "app/node_modules/x/y");
  TreeWatch watch(bench.io);
  watch.add(bench.app());
  CHECK(watch.watches() == 1);
  fs::create_directories(bench.root / "app/src/node_modules/z");
  bench.write("app/node_modules/file");
  CHECK(bench.tells({"src"}));
  CHECK(watch.watches() == 2);
  CHECK(bench.told == std::set<std::string>{"src"});
}

TEST_CASE("symbolic links are not followed, but for the root itself") {
  Bench bench;
  fs::create_directories(bench.root / "other/in");
  fs::create_directory_symlink(bench.root / "other", bench.root / "app/link");
  fs::create_directory_symlink(bench.root / "app", bench.root / "app/loop");
  fs::create_directory_symlink(bench.root / "app", bench.root / "entry");
  TreeWatch watch(bench.io);
  watch.add(bench.app("entry"));
  CHECK(watch.watches() == 1);
  bench.write("app/link/in/file");
  bench.write("app/file");
  CHECK(bench.tells({"file"}));
  CHECK(bench.told == std::set<std::string>{"file"});
  fs::remove(bench.root / "app/link");
  CHECK(bench.tells({"link"}));
}

TEST_CASE("a root that goes and comes again") {
  Bench bench;
  TreeWatch watch(bench.io);
  watch.add(bench.app("app/dist/deep"));
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0] ==
        (bench.root / "app/dist/deep").string() +
            ": No such file or directory; it is watched as soon as it is there");
  fs::create_directories(bench.root / "app/dist/deep");
  CHECK(bench.tells_after_quiet({"."}));
  bench.write("app/dist/deep/file");
  CHECK(bench.tells_after_quiet({"file"}));
  fs::remove_all(bench.root / "app");
  CHECK(bench.tells_after_quiet({"."}));
  fs::create_directories(bench.root / "app/dist/deep");
  CHECK(bench.tells_after_quiet({"."}));
  bench.write("app/dist/deep/again");
  CHECK(bench.tells({"again"}));
  // Missing, there, missing, there.
  REQUIRE(bench.problems.size() == 4);
  CHECK(bench.problems[3].empty());
}

TEST_CASE("two roots that are missing below one directory, one name the beginning of the other") {
  Bench bench;
  TreeWatch watch(bench.io);
  watch.add(bench.app("app/src"));
  std::set<std::string> other;
  auto second = bench.app("app/src2");
  second.changed = [&](const std::string& path) { other.insert(path); };
  watch.add(second);
  CHECK(watch.watches() == 1);
  fs::create_directories(bench.root / "app/src2");
  fs::create_directories(bench.root / "app/src");
  CHECK(bench.tells_after_quiet({"."}));
  CHECK(other == std::set<std::string>{"."});
  CHECK(watch.watches() == 2);
  fs::create_directories(bench.root / "app/src/a/x");
  fs::create_directories(bench.root / "app/src/ab/x");
  CHECK(bench.tells_after_quiet({"a", "ab"}));
  fs::remove_all(bench.root / "app/src/a");
  CHECK(bench.tells_after_quiet({"a"}));
  CHECK(watch.watches() == 4);
  bench.write("app/src/ab/x/file");
  CHECK(bench.tells({"ab/x/file"}));
}

TEST_CASE("a missing root below a directory that cannot be read") {
  if (::geteuid() == 0) return;  // reads everything
  Bench bench;
  fs::create_directories(bench.root / "app/closed");
  fs::permissions(bench.root / "app/closed", fs::perms::owner_exec);
  TreeWatch watch(bench.io);
  watch.add(bench.app("app/closed/missing"));
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0].find("Permission denied") != std::string::npos);
  fs::permissions(bench.root / "app/closed", fs::perms::owner_all);
}

TEST_CASE("a root may be a file, also one that editors replace") {
  Bench bench;
  bench.write("app/server.js");
  TreeWatch watch(bench.io);
  watch.add(bench.app("app/server.js"));
  bench.write("app/server.js");
  CHECK(bench.tells_after_quiet({"."}));
  bench.write("app/temporary");
  fs::rename(bench.root / "app/temporary", bench.root / "app/server.js");
  CHECK(bench.tells_after_quiet({"."}));
}

TEST_CASE("two apps share a tree") {
  Bench bench;
  TreeWatch watch(bench.io);
  const auto first = watch.add(bench.app());
  std::set<std::string> other;
  auto second = bench.app("");
  second.changed = [&](const std::string& path) { other.insert(path); };
  watch.add(second);
  CHECK(watch.watches() == 2);
  bench.write("app/file");
  CHECK(bench.tells_after_quiet({"file"}));
  CHECK(other.contains("app/file"));
  watch.remove(first);
  CHECK(watch.watches() == 2);
}

TEST_CASE("out of watches is told once, and the rest is watched") {
  Bench bench;
  for (const char* const name : {"a", "b", "c", "d"})
    fs::create_directories(bench.root / "app" / name);
  TreeWatch watch(bench.io, 3);
  watch.add(bench.app());
  CHECK(watch.watches() == 3);
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0].find("may watch 3 directories") != std::string::npos);
  bench.write("app/file");
  CHECK(bench.tells({"file"}));
}

TEST_CASE("lost events: the root is told as changed, and everything is watched again") {
  Bench bench;
  int queued = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queued;
  if (queued > 100'000) return;
  TreeWatch watch(bench.io);
  watch.add(bench.app());
  // Two in turn: the kernel takes the same event again for one.
  for (int i = 0; i <= queued; ++i) bench.write(i % 2 == 0 ? "app/even" : "app/odd");
  fs::create_directories(bench.root / "app/late");
  CHECK(bench.tells_after_quiet({"."}));
  bench.write("app/late/file");
  CHECK(bench.tells({"late/file"}));
}

TEST_CASE("without inotify nothing is watched, and that is said") {
  Bench bench;
  const TreeWatch first(bench.io);  // Asio opens its own descriptors with the first
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 0;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  TreeWatch watch(bench.io);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  watch.add(bench.app());
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0].find("nothing is watched") != std::string::npos);
}

TEST_CASE("a root may be removed when it is told of a change") {
  Bench bench;
  TreeWatch watch(bench.io);
  TreeWatch::RootId id = 0;
  auto app = bench.app();
  app.changed = [&](const std::string& path) {
    bench.told.insert(path);
    watch.remove(id);
  };
  id = watch.add(app);
  fs::create_directories(bench.root / "app/a/b");
  while (bench.told.empty()) bench.io.run_one_for(1s);
  CHECK(watch.watches() == 0);
}
