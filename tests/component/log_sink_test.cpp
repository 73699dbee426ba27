#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>

#include "cli/log_view/old_log_reader.h"
#include "common/sys/old_logs.h"
#include "daemon/os/log_pump.h"
#include "daemon/os/splice_log_sink.h"

using namespace std::chrono_literals;
using pmx::UniqueFd;

namespace {

constexpr auto kDeadline = 30s;

// Stands for the control thread: what is posted runs inside `run_until`.
class ControlThread {
 public:
  void post(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_one();
  }

  template <typename Condition>
  bool run_until(Condition condition, std::chrono::milliseconds limit = kDeadline) {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::unique_lock lock(mutex_);
    while (!condition()) {
      if (queue_.empty()) {
        // Conditions on files change without a post.
        changed_.wait_for(lock, 2ms);
        if (std::chrono::steady_clock::now() > end) return condition();
        continue;
      }
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
};

struct AppPipe {
  UniqueFd read_end;
  UniqueFd write_end;  // O_RDWR, as apps hold it
};

AppPipe make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  UniqueFd plain(ends[1]);
  const std::string self = "/proc/self/fd/" + std::to_string(plain.get());
  AppPipe pipe{UniqueFd(ends[0]), UniqueFd(::open(self.c_str(), O_RDWR | O_CLOEXEC))};
  REQUIRE(pipe.write_end);
  return pipe;
}

// Blocks while the pipe is full.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// A process that writes and is gone at once.
pid_t start_writer(int fd, const std::string& bytes) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(write_all(fd, bytes) ? 0 : 1);
  return pid;
}

// A process that writes until it is killed; it does not outlive the test program either.
class Flood {
 public:
  Flood(int fd, const std::string& block) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (write_all(fd, block)) {
    }
    ::_exit(1);
  }
  ~Flood() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  [[nodiscard]] bool is_alive() const {
    int status = 0;
    return ::waitpid(pid_, &status, WNOHANG) == 0;
  }

 private:
  pid_t pid_;
};

// A file system of a few KiB; needs root.
class TinyMount {
 public:
  TinyMount(std::string path, const char* size) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    is_mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, size) == 0;
    if (!is_mounted_)
      MESSAGE("skipped: cannot mount a tmpfs: " << std::string(std::strerror(errno)));
  }
  // Detached: the sink may still have a file open.
  ~TinyMount() {
    if (is_mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  TinyMount(const TinyMount&) = delete;
  TinyMount& operator=(const TinyMount&) = delete;
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }

 private:
  std::string path_;
  bool is_mounted_ = false;
};

bool has_succeeded(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string random_bytes(std::size_t size) {
  std::mt19937_64 random(size);
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const std::uint64_t word = random();
    std::memcpy(&bytes[i], &word, sizeof word);
  }
  return bytes;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

std::size_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::size_t>(size);
}

struct Fixture {
  std::string directory;
  ControlThread control;
  std::vector<std::string> reports;
  std::map<int, std::string> problems;
  std::map<int, std::uint64_t> lost;
  std::unique_ptr<pmx::SpliceLogSink> sink;

  Fixture() {
    std::string name = "/tmp/pmx-logs-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
    start();
  }
  ~Fixture() {
    sink.reset();
    std::filesystem::remove_all(directory);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  void start() {
    sink = std::make_unique<pmx::SpliceLogSink>(
        [this](std::function<void()> work) { control.post(std::move(work)); },
        [this](std::string text) { reports.push_back(std::move(text)); },
        [this](int pm_id, const std::string& problem, std::uint64_t dropped) {
          problems[pm_id] = problem;
          lost[pm_id] = dropped;
        });
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory + "/" + name; }

  // Only stdout; returns the app's end.
  UniqueFd attach(int pm_id, const std::string& out_path, const pmx::LogStyle& style = {}) {
    AppPipe pipe = make_pipe();
    sink->attach(pm_id, std::move(pipe.read_end), UniqueFd(), out_path, "", style);
    return std::move(pipe.write_end);
  }
  // What `name` holds, with all that it was put aside to.
  std::string all_of(const std::string& name, std::vector<std::string>* parts = nullptr) const {
    std::string all;
    for (const std::string& old : pmx::sys::old_logs_of(path(name))) {
      all += read_file(old);
      if (parts != nullptr) parts->push_back(read_file(old));
    }
    return all + read_file(path(name));
  }
  template <typename Call>
  bool wait_for(Call call, std::chrono::milliseconds limit = kDeadline) {
    auto is_done = std::make_shared<bool>(false);
    call([is_done] { *is_done = true; });
    return control.run_until([&] { return *is_done; }, limit);
  }
  bool detach(int pm_id) {
    return wait_for([&](auto done) { sink->detach(pm_id, done); });
  }
  bool drain(int pm_id) {
    return wait_for([&](auto done) { sink->drain(pm_id, done); });
  }
  bool has_report(const std::string& part) const {
    for (const auto& report : reports) {
      if (report.find(part) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "20 MB of a writer that exits at once arrive byte for byte") {
  const std::string bytes = random_bytes(20 * 1024 * 1024);
  AppPipe out = make_pipe();
  AppPipe error = make_pipe();
  sink->attach(1, std::move(out.read_end), std::move(error.read_end), path("a/b/out.log"),
               path("a/b/error.log"), {});
  const pid_t writer = start_writer(out.write_end.get(), bytes);
  out.write_end.reset();
  REQUIRE(write_all(error.write_end.get(), std::string_view("\0\xff\xfe bad\0", 8)));
  REQUIRE(has_succeeded(writer));
  REQUIRE(detach(1));
  CHECK(read_file(path("a/b/out.log")) == bytes);
  CHECK(read_file(path("a/b/error.log")) == std::string("\0\xff\xfe bad\0", 8));
  struct stat status {};
  REQUIRE(::stat(path("a/b/out.log").c_str(), &status) == 0);
  CHECK((status.st_mode & 0137) == 0);
  REQUIRE(::stat(path("a").c_str(), &status) == 0);
  CHECK((status.st_mode & 077) == 0);
  CHECK(reports.empty());
}

TEST_CASE_FIXTURE(Fixture, "appends to what is there; two apps and both streams share one file") {
  std::ofstream(path("all.log")) << "old\n";
  AppPipe out = make_pipe();
  AppPipe error = make_pipe();
  sink->attach(1, std::move(out.read_end), std::move(error.read_end), path("all.log"),
               path("all.log"), {});
  UniqueFd other = attach(2, path("all.log"));
  constexpr int kLines = 20000;
  std::vector<pid_t> writers;
  for (const auto& [fd, letter] :
       {std::pair{out.write_end.get(), 'o'}, std::pair{error.write_end.get(), 'e'},
        std::pair{other.get(), '2'}}) {
    // 64-byte lines: a pipe page holds whole ones, so none is torn by the change of source.
    std::string text;
    for (int i = 0; i < kLines; ++i) text += std::string(63, letter) + "\n";
    writers.push_back(start_writer(fd, text));
  }
  for (const pid_t writer : writers) CHECK(has_succeeded(writer));
  REQUIRE(detach(1));
  REQUIRE(detach(2));
  const std::string all = read_file(path("all.log"));
  REQUIRE(all.size() == 4 + 3 * kLines * 64);
  CHECK(all.starts_with("old\n"));
  std::map<std::string, int> lines;
  std::istringstream in(all.substr(4));
  for (std::string line; std::getline(in, line);) ++lines[line];
  CHECK(lines.size() == 3);
  for (const auto& [line, count] : lines) CHECK(count == kLines);
}

TEST_CASE_FIXTURE(Fixture, "truncation, ours or another's, never leaves a hole") {
  UniqueFd app = attach(1, path("out.log"));
  REQUIRE(write_all(app.get(), std::string(100000, 'x')));
  REQUIRE(drain(1));
  CHECK(size_of(path("out.log")) == 100000);
  REQUIRE(wait_for([&](auto done) {
    sink->truncate({path("out.log"), path("absent.log"), "/dev/null"}, done);
  }));
  CHECK(size_of(path("out.log")) == 0);
  CHECK(!std::filesystem::exists(path("absent.log")));
  REQUIRE(write_all(app.get(), "after ours\n"));
  REQUIRE(drain(1));
  CHECK(read_file(path("out.log")) == "after ours\n");
  REQUIRE(::truncate(path("out.log").c_str(), 0) == 0);
  REQUIRE(write_all(app.get(), "after theirs\n"));
  REQUIRE(drain(1));
  CHECK(read_file(path("out.log")) == "after theirs\n");

  // While bytes flow.
  const pid_t writer = start_writer(app.get(), std::string(30'000'000, 'y'));
  for (int i = 0; i < 20; ++i) {
    REQUIRE(wait_for([&](auto done) { sink->truncate({path("out.log")}, done); }));
  }
  REQUIRE(has_succeeded(writer));
  REQUIRE(detach(1));
  const std::string rest = read_file(path("out.log"));
  CHECK(rest.find_first_not_of('y') == std::string::npos);
  CHECK(reports.empty());
}

TEST_CASE_FIXTURE(Fixture, "rotation by rename and reopen loses and repeats nothing") {
  const std::string bytes = random_bytes(8 * 1024 * 1024);
  UniqueFd app = attach(1, path("out.log"));
  const pid_t writer = start_writer(app.get(), bytes);
  constexpr int kRotations = 10;
  for (int i = 0; i < kRotations; ++i) {
    REQUIRE(control.run_until([&] { return std::filesystem::exists(path("out.log")); }));
    std::filesystem::rename(path("out.log"), path("out.log." + std::to_string(i)));
    REQUIRE(wait_for([&](auto done) { sink->reopen(done); }));
    CHECK(std::filesystem::exists(path("out.log")));
  }
  REQUIRE(has_succeeded(writer));
  REQUIRE(detach(1));
  std::string all;
  for (int i = 0; i < kRotations; ++i) all += read_file(path("out.log." + std::to_string(i)));
  CHECK(all + read_file(path("out.log")) == bytes);
}

TEST_CASE_FIXTURE(Fixture, "a file deleted under us, with its directory, is created again") {
  UniqueFd app = attach(1, path("logs/out.log"));
  REQUIRE(write_all(app.get(), "first\n"));
  REQUIRE(drain(1));
  std::filesystem::remove_all(path("logs"));
  REQUIRE(write_all(app.get(), "second\n"));
  REQUIRE(drain(1));
  CHECK(read_file(path("logs/out.log")) == "second\n");
}

TEST_CASE_FIXTURE(Fixture, "looking into a file: where it ends, and what was added since") {
  const std::string file = path("looked_into.log");
  std::ofstream(file) << "before\n";
  const auto end_of = [&](const std::string& name) {
    std::optional<std::uint64_t> end;
    sink->end_of(name, [&](std::uint64_t size) { end = size; });
    REQUIRE(control.run_until([&] { return end.has_value(); }));
    return *end;
  };
  const auto read = [&](const std::string& name, std::uint64_t offset, std::size_t limit) {
    std::optional<std::string> text;
    sink->read(name, offset, limit, [&](std::string got) { text = std::move(got); });
    REQUIRE(control.run_until([&] { return text.has_value(); }));
    return *text;
  };
  CHECK(end_of(file) == 7);
  CHECK(read(file, 7, 100).empty());
  std::ofstream(file, std::ios::app) << "after\n";
  CHECK(read(file, 7, 100) == "after\n");
  CHECK(read(file, 0, 3) == "er\n");
  // Emptied or rotated meanwhile.
  CHECK(read(file, 4000, 100) == "before\nafter\n");
  CHECK(end_of(path("none.log")) == 0);
  CHECK(read(path("none.log"), 0, 100).empty());
  CHECK(read("/dev/zero", 0, 100).empty());
}

TEST_CASE_FIXTURE(Fixture, "/dev/null discards") {
  UniqueFd app = attach(1, "/dev/null");
  REQUIRE(write_all(app.get(), std::string(5'000'000, 'z')));
  REQUIRE(drain(1));
  REQUIRE(detach(1));
  CHECK(reports.empty());
}

TEST_CASE_FIXTURE(Fixture, "restart: the new run is attached while the old one is still leaving") {
  UniqueFd old_run = attach(1, path("out.log"));
  REQUIRE(write_all(old_run.get(), std::string(60000, 'a')));
  int done = 0;
  sink->detach(1, [&] { ++done; });
  UniqueFd new_run = attach(1, path("out.log"));
  REQUIRE(write_all(new_run.get(), "b"));
  // Not detached at all before the third: nothing of it is lost either.
  UniqueFd third = attach(1, path("out.log"));
  REQUIRE(write_all(third.get(), "c"));
  sink->detach(1, [&] { ++done; });
  sink->detach(7, [&] { ++done; });
  REQUIRE(control.run_until([&] { return done == 3; }));
  CHECK(read_file(path("out.log")) == std::string(60000, 'a') + "bc");
}

TEST_CASE_FIXTURE(Fixture, "detach ends though a grandchild goes on writing, which is not killed") {
  UniqueFd app = attach(1, path("out.log"));
  const Flood flood(app.get(), "flood\n");
  REQUIRE(control.run_until([&] { return size_of(path("out.log")) > 1'000'000; }));
  REQUIRE(detach(1));
  CHECK(flood.is_alive());
}

TEST_CASE_FIXTURE(Fixture, "one flooding app does not hold up another") {
  UniqueFd loud = attach(1, "/dev/null");
  UniqueFd quiet = attach(2, path("quiet.log"));
  const Flood flood(loud.get(), std::string(65536, 'f'));
  for (int i = 0; i < 200; ++i) {
    REQUIRE(write_all(quiet.get(), "q\n"));
    REQUIRE(wait_for([&](auto done) { sink->drain(2, done); }, 5s));
  }
  CHECK(size_of(path("quiet.log")) == 400);
}

TEST_CASE_FIXTURE(Fixture, "a full device: reported once, bytes wait, nothing is lost") {
  std::filesystem::create_symlink("/dev/full", path("out.log"));
  const std::string bytes = random_bytes(3'000'000);
  UniqueFd app = attach(1, path("out.log"));
  const pid_t writer = start_writer(app.get(), bytes);
  REQUIRE(control.run_until([&] { return !reports.empty(); }));
  CHECK(reports[0].find("out.log: No space left on device") != std::string::npos);
  // Other files are not concerned.
  UniqueFd other = attach(2, path("other.log"));
  REQUIRE(write_all(other.get(), "fine"));
  REQUIRE(drain(2));
  CHECK(read_file(path("other.log")) == "fine");
  // Past a few attempts.
  control.run_until([] { return false; }, 2500ms);
  CHECK(reports.size() == 1);
  std::filesystem::remove(path("out.log"));
  REQUIRE(has_succeeded(writer));
  REQUIRE(drain(1));
  CHECK(read_file(path("out.log")) == bytes);
  REQUIRE(control.run_until([&] { return has_report("is written again"); }));
  CHECK(reports.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "an unusable directory blocks until it can be made") {
  std::ofstream(path("logs")) << "in the way";
  UniqueFd app = attach(1, path("logs/out.log"));
  REQUIRE(write_all(app.get(), "kept"));
  REQUIRE(control.run_until([&] { return has_report("Not a directory"); }));
  std::filesystem::remove(path("logs"));
  REQUIRE(drain(1));
  CHECK(read_file(path("logs/out.log")) == "kept");
}

TEST_CASE_FIXTURE(Fixture,
                  "detach from a full device gives up after a while and counts what it drops") {
  std::filesystem::create_symlink("/dev/full", path("out.log"));
  UniqueFd app = attach(1, path("out.log"));
  REQUIRE(write_all(app.get(), std::string(12345, 'l')));
  REQUIRE(control.run_until([&] { return !reports.empty(); }));
  REQUIRE(detach(1));
  REQUIRE(control.run_until([&] { return has_report("dropped the last 12345 bytes"); }));
}

TEST_CASE_FIXTURE(Fixture, "a full tmpfs: resumes when space is freed, nothing is lost") {
  const std::string mounted = path("small");
  const TinyMount mount(mounted, "size=256k");
  if (!mount.is_mounted()) return;
  std::ofstream(mounted + "/filler") << std::string(200 * 1024, '#');
  const std::string bytes = random_bytes(150 * 1024);
  UniqueFd app = attach(1, mounted + "/out.log");
  const pid_t writer = start_writer(app.get(), bytes);
  REQUIRE(control.run_until([&] { return has_report("No space left"); }));
  std::filesystem::remove(mounted + "/filler");
  REQUIRE(has_succeeded(writer));
  REQUIRE(drain(1));
  CHECK(read_file(mounted + "/out.log") == bytes);
}

TEST_CASE_FIXTURE(Fixture, "emptying files frees a full disk at once") {
  const std::string mounted = path("small");
  const TinyMount mount(mounted, "size=64k");
  if (!mount.is_mounted()) return;
  UniqueFd app = attach(1, mounted + "/out.log");
  const pid_t writer = start_writer(app.get(), std::string(100 * 1024, 'w'));
  REQUIRE(control.run_until([&] { return has_report("No space left"); }));
  const std::size_t before = size_of(mounted + "/out.log");
  REQUIRE(wait_for([&](auto done) { sink->truncate({mounted + "/out.log"}, done); }));
  REQUIRE(has_succeeded(writer));
  REQUIRE(drain(1));
  CHECK(before + size_of(mounted + "/out.log") == 100 * 1024);
}

TEST_CASE_FIXTURE(Fixture, "a slow FIFO is waited for, not polled") {
  REQUIRE(::mkfifo(path("fifo").c_str(), 0600) == 0);
  UniqueFd reader(::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  UniqueFd app = attach(1, path("fifo"));
  const std::string bytes = random_bytes(2'000'000);
  const pid_t writer = start_writer(app.get(), bytes);
  std::string got;
  std::array<char, 65536> block;
  REQUIRE(control.run_until([&] {
    for (ssize_t n = 0; (n = ::read(reader.get(), block.data(), block.size())) > 0;) {
      got.append(block.data(), static_cast<std::size_t>(n));
    }
    return got.size() >= bytes.size();
  }));
  CHECK(got == bytes);
  CHECK(has_succeeded(writer));
  CHECK(reports.empty());
}

TEST_CASE_FIXTURE(Fixture, "an app that ended, seen through a shared descriptor, costs no CPU") {
  AppPipe pipe = make_pipe();
  const UniqueFd of_keeper(::fcntl(pipe.read_end.get(), F_DUPFD_CLOEXEC, 0));
  sink->attach(1, std::move(pipe.read_end), UniqueFd(), path("out.log"), "", {});
  REQUIRE(write_all(pipe.write_end.get(), "bye"));
  REQUIRE(drain(1));
  const auto cpu_seconds = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  SUBCASE("hang-up while attached") { pipe.write_end.reset(); }
  SUBCASE("bytes after detach") {
    REQUIRE(detach(1));
    REQUIRE(write_all(pipe.write_end.get(), "for the next daemon"));
  }
  const double before = cpu_seconds();
  control.run_until([] { return false; }, 500ms);
  CHECK(cpu_seconds() - before < 0.2);
}

TEST_CASE_FIXTURE(Fixture, "the destructor moves what is there and calls every done") {
  UniqueFd app = attach(1, path("out.log"));
  std::filesystem::create_symlink("/dev/full", path("full.log"));
  UniqueFd full = attach(3, path("full.log"));
  REQUIRE(write_all(full.get(), "waits"));
  REQUIRE(control.run_until([&] { return !reports.empty(); }));
  REQUIRE(write_all(app.get(), std::string(65536, 'd')));
  int done = 0;
  sink->drain(3, [&] { ++done; });
  sink.reset();
  REQUIRE(control.run_until([&] { return done == 1; }));
  CHECK(size_of(path("out.log")) == 65536);
}

namespace {

pmx::LogStyle limited(std::uint64_t max_size) {
  pmx::LogStyle style;
  style.limits.max_size = max_size;
  style.limits.retain = 1000;
  return style;
}

std::string many_lines(int count) {
  std::mt19937 random(7);
  std::string text;
  for (int i = 0; i < count; ++i)
    text += std::to_string(i) + std::string(random() % 200, 'x') + "\n";
  return text;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a file that is big enough is put aside at the end of a line") {
  constexpr std::uint64_t kSize = 50'000;
  const std::string text = many_lines(20'000);
  for (const std::string name : {"raw.log", "dated.log"}) {
    CAPTURE(name);
    pmx::LogStyle style = limited(kSize);
    if (name == "dated.log") style.date_format = "[x]";
    UniqueFd app = attach(1, path(name), style);
    REQUIRE(has_succeeded(start_writer(app.get(), text)));
    REQUIRE(detach(1));
    std::vector<std::string> parts;
    std::string all = all_of(name, &parts);
    CHECK(parts.size() > 1);
    for (const std::string& part : parts) {
      CHECK(part.size() >= kSize);
      CHECK(part.size() < kSize + (style.is_raw() ? 300 : 600'000));
      CHECK(part.back() == '\n');
    }
    CHECK(size_of(path(name)) > 0);
    if (!style.is_raw()) {
      std::string bare;
      std::istringstream in(all);
      for (std::string line; std::getline(in, line);) bare += line.substr(3) + "\n";
      all = bare;
    }
    CHECK((all == text));
  }
  CHECK(reports.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "bytes without an end of a line cannot keep a file from being put aside") {
  const std::string bytes(5'000'000, 'b');
  UniqueFd app = attach(1, path("out.log"), limited(100'000));
  REQUIRE(has_succeeded(start_writer(app.get(), bytes)));
  REQUIRE(detach(1));
  std::vector<std::string> parts;
  CHECK((all_of("out.log", &parts) == bytes));
  CHECK(parts.size() >= 4);
  for (const std::string& part : parts) CHECK(part.size() < 100'000 + 1024 * 1024 + 70'000);
}

TEST_CASE_FIXTURE(Fixture,
                  "put aside when asked for, with the rights of the file; empty ones stay") {
  UniqueFd app = attach(1, path("out.log"), {});
  sink->rotate({path("out.log"), path("unknown.log")});
  REQUIRE(write_all(app.get(), "whole\nhal"));
  REQUIRE(drain(1));
  CHECK(pmx::sys::old_logs_of(path("out.log")).empty());
  REQUIRE(::chmod(path("out.log").c_str(), 0644) == 0);
  sink->rotate({path("out.log")});
  REQUIRE(drain(1));  // it has been asked for before the rest comes
  REQUIRE(write_all(app.get(), "f\nnext\n"));
  REQUIRE(drain(1));
  const auto old = pmx::sys::old_logs_of(path("out.log"));
  REQUIRE(old.size() == 1);
  CHECK(read_file(old[0]) == "whole\nhalf\n");
  CHECK(read_file(path("out.log")) == "next\n");
  struct stat status {};
  REQUIRE(::stat(path("out.log").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0644);
}

TEST_CASE_FIXTURE(Fixture, "old files: compressed, and only so many") {
  pmx::LogStyle style = limited(20'000);
  style.limits.retain = 3;
  style.limits.compress = true;
  UniqueFd app = attach(1, path("out.log"), style);
  const std::string text = many_lines(2'000);
  REQUIRE(has_succeeded(start_writer(app.get(), text)));
  REQUIRE(detach(1));
  REQUIRE(control.run_until([&] {
    const auto old = pmx::sys::old_logs_of(path("out.log"));
    return old.size() == 3 && std::all_of(old.begin(), old.end(), [](const std::string& name) {
             return name.ends_with(".log.gz");
           });
  }));
  std::string all;
  for (const std::string& old : pmx::sys::old_logs_of(path("out.log")))
    REQUIRE(pmx::read_old_log(old, [&](std::string_view bytes) { all += bytes; }));
  all += read_file(path("out.log"));
  CHECK((text.ends_with(all)));
  CHECK(all.size() > 60'000);
  CHECK(reports.empty());
}

TEST_CASE_FIXTURE(Fixture, "a log that cannot be put aside grows on, and says so") {
  if (::geteuid() == 0) return;  // root may write everywhere
  UniqueFd app = attach(1, path("out.log"), limited(1000));
  REQUIRE(::chmod(directory.c_str(), 0500) == 0);
  const std::string text = many_lines(1000);
  REQUIRE(has_succeeded(start_writer(app.get(), text)));
  REQUIRE(detach(1));
  REQUIRE(::chmod(directory.c_str(), 0700) == 0);
  CHECK((read_file(path("out.log")) == text));
  CHECK(has_report("out.log aside"));
}

TEST_CASE_FIXTURE(Fixture, "both streams in a third file as well, line by line") {
  AppPipe out = make_pipe();
  AppPipe error = make_pipe();
  pmx::LogStyle style;
  style.combined = path("all.log");
  sink->attach(1, std::move(out.read_end), std::move(error.read_end), path("out.log"),
               path("error.log"), style);
  std::string outs;
  std::string errors;
  for (int i = 0; i < 20'000; ++i) {
    outs += "out " + std::to_string(i) + "\n";
    errors += "error " + std::to_string(i) + "\n";
  }
  outs += "unfinished";
  const pid_t first = start_writer(out.write_end.get(), outs);
  const pid_t second = start_writer(error.write_end.get(), errors);
  CHECK(has_succeeded(first));
  CHECK(has_succeeded(second));
  REQUIRE(drain(1));
  sink->end_line(1);
  REQUIRE(detach(1));
  CHECK((read_file(path("out.log")) == outs));
  CHECK((read_file(path("error.log")) == errors));
  std::string outs_of_all;
  std::string errors_of_all;
  std::istringstream in(read_file(path("all.log")));
  for (std::string line; std::getline(in, line);)
    (line.starts_with("error") ? errors_of_all : outs_of_all) += line + "\n";
  CHECK((outs_of_all == outs + "\n"));
  CHECK((errors_of_all == errors));
}

TEST_CASE_FIXTURE(Fixture,
                  "a third file that is full holds back both, and repeats nothing in them") {
  pmx::LogStyle style;
  style.combined = path("all.log");
  std::filesystem::create_symlink("/dev/full", path("all.log"));
  UniqueFd app = attach(1, path("out.log"), style);
  const std::string text = many_lines(5'000);
  const pid_t writer = start_writer(app.get(), text);
  REQUIRE(control.run_until([&] { return !problems[1].empty(); }));
  CHECK(problems[1].find("all.log: No space left on device; the output waits") !=
        std::string::npos);
  std::filesystem::remove(path("all.log"));
  REQUIRE(has_succeeded(writer));
  REQUIRE(control.run_until([&] { return problems[1].empty(); }));
  REQUIRE(detach(1));
  CHECK((read_file(path("out.log")) == text));
  CHECK((read_file(path("all.log")) == text));
}

TEST_CASE_FIXTURE(Fixture, "full, and log_when_full drop: the app goes on, its loss is counted") {
  const std::string text = many_lines(50'000);
  int id = 0;
  for (const std::string name : {"raw.log", "dated.log"}) {
    CAPTURE(name);
    ++id;
    pmx::LogStyle style;
    style.limits.when_full = pmx::LogWhenFull::drop;
    if (name == "dated.log") style.date_format = "[x]";
    std::filesystem::create_symlink("/dev/full", path(name));
    UniqueFd app = attach(id, path(name), style);
    REQUIRE(has_succeeded(start_writer(app.get(), text)));  // nobody has made room
    REQUIRE(control.run_until([&] { return lost[id] > 0; }));
    CHECK(problems[id].find("what the pipe cannot hold is dropped") != std::string::npos);
    std::filesystem::remove(path(name));
    REQUIRE(control.run_until([&] { return problems[id].empty(); }));
    REQUIRE(write_all(app.get(), "after\n"));
    REQUIRE(detach(id));
    const std::string rest = read_file(path(name));
    // Whether anything of before is left depends on when there was room.
    const std::string last = style.is_raw() ? "after\n" : "x: after\n";
    CHECK((rest == last || rest.ends_with("\n" + last)));
    if (style.is_raw()) CHECK(lost[id] + rest.size() == text.size() + 6);
  }
}
