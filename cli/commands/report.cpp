// pmx report: what a bug report needs, without secrets: no environment, no arguments of apps.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "cli/commands/commands.h"
#include "cli/render/cells.h"
#include "common/base/build_info.h"
#include "common/config/cpu_count.h"
#include "common/protocol/version.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

constexpr std::size_t kLogLines = 20;

class Report {
 public:
  void section(std::string_view title) { text_ += fmt::format("\n--- {}\n", title); }
  void row(std::string_view key, std::string_view value) {
    text_ += fmt::format("{:<24}: {}\n", key, value);
  }
  void line(std::string_view text) { text_ += fmt::format("{}\n", text); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

// First line of a small file of the system, or what it says instead.
std::string first_line(const std::string& path) {
  try {
    const auto text = sys::read_file(path);
    return text ? text->substr(0, text->find('\n')) : "not there";
  } catch (const std::exception&) {
    return "cannot be read";
  }
}

std::string system_name() {
  const auto text = sys::read_file("/etc/os-release");
  constexpr std::string_view kKey = "PRETTY_NAME=";
  const std::size_t start = text ? text->find(kKey) : std::string::npos;
  if (start == std::string::npos) return "unknown";
  std::string name = text->substr(start + kKey.size());
  name.resize(std::min(name.find('\n'), name.size()));
  std::erase(name, '"');
  return name;
}

std::string limit(int resource) {
  rlimit value{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &value) != 0) return "unknown";
  const auto text = [](rlim_t one) {
    return one == RLIM_INFINITY ? std::string("unlimited") : std::to_string(one);
  };
  return fmt::format("{} of {}", text(value.rlim_cur), text(value.rlim_max));
}

void add_system(Report& report) {
  report.section("system");
  utsname kernel{};
  ::uname(&kernel);
  report.row("system", system_name());
  report.row("kernel", fmt::format("{} {} {}", kernel.sysname, kernel.release, kernel.machine));
  report.row("processors", fmt::format("{}, of them for pmx {}",
                                       std::thread::hardware_concurrency(), usable_cores()));
  struct sysinfo info {};
  ::sysinfo(&info);
  const std::uint64_t unit = info.mem_unit;
  report.row("memory", fmt::format("{} free of {}", memory_text(info.freeram * unit),
                                   memory_text(info.totalram * unit)));
  report.row("load", first_line("/proc/loadavg"));
  report.row("up for", fmt::format("{} s", info.uptime));
  report.row("user", fmt::format("{}", ::getuid()));
  report.row("cgroup", first_line("/proc/self/cgroup"));
  report.row("open files", limit(RLIMIT_NOFILE));
  report.row("processes", limit(RLIMIT_NPROC));
  report.row("core size", limit(RLIMIT_CORE));
  for (const char* name : {"max_user_watches", "max_user_instances"})
    report.row(fmt::format("inotify {}", name),
               first_line(fmt::format("/proc/sys/fs/inotify/{}", name)));
  report.row("yama ptrace_scope", first_line("/proc/sys/kernel/yama/ptrace_scope"));
}

void add_daemon(Report& report, Context& context, Client* daemon) {
  report.section("pmx");
  report.row("pmx", fmt::format("{}, protocol {}", kVersion, protocol::kProtocol));
  report.row("home", context.paths().home());
  for (const char* name : {"PMX_CGROUP", "PMX_DRAIN", "PMX_LISTEN"}) {
    if (const char* value = std::getenv(name)) report.row(name, value);
  }
  if (daemon == nullptr) {
    report.row("daemon", "none runs");
    return;
  }
  const auto answer = daemon->call<protocol::Ping>({});
  report.row("daemon", fmt::format("{}, protocol {}, process {}", answer.version, answer.protocol,
                                   answer.daemon_pid));
  report.row("keeper", fmt::format("process {}", answer.keeper_pid));
}

void add_apps(Report& report, Context& context) {
  const std::vector<InstanceStatus> instances = context.list_all(true);
  report.section(fmt::format("apps ({})", instances.size()));
  for (const InstanceStatus& one : instances) {
    report.line(fmt::format("[{}] {} ({}), {}_mode: {}{}", one.pm_id, one.name, one.name_space,
                            to_string(one.exec_mode), to_string(one.state),
                            one.reason.empty() ? "" : ": " + one.reason));
    report.line(fmt::format("    process {}, {} restarts ({} unstable), cpu {}, memory {}{}",
                            one.pid, one.restarts, one.unstable_restarts, cpu_text(one.cpu_percent),
                            memory_text(one.memory_bytes),
                            one.last_exit ? ", last exit: " + one.last_exit->describe() : ""));
    if (!one.detail) continue;
    const AppSpec& spec = one.detail->spec;
    // The text of a shell command may hold anything.
    report.line(fmt::format("    {} by {}, {} arguments, {} variables, in {}",
                            spec.shell ? "a shell command" : spec.script,
                            spec.interpreter.empty() ? "itself" : spec.interpreter,
                            spec.args.size(), spec.env.size(), spec.cwd));
    for (const std::string& socket : one.detail->sockets) report.line("    socket " + socket);
  }
}

void add_log(Report& report, const std::string& path) {
  report.section(fmt::format("last lines of {}", path));
  const std::string text = sys::read_file(path).value_or("");
  std::size_t start = text.size();
  for (std::size_t lines = 0; start > 0; --start) {
    if (text[start - 1] == '\n' && start != text.size() && ++lines == kLogLines) break;
  }
  report.line(text.substr(start, text.size() - start - (text.ends_with('\n') ? 1 : 0)));
}

}  // namespace

int run_report(Context& context, Arguments& arguments) {
  context.parse(arguments);
  Report report;
  report.line(fmt::format("pmx report of {:%Y-%m-%d %H:%M:%S} UTC",
                          fmt::gmtime(static_cast<std::time_t>(wall_now() / 1000))));
  Client* daemon = context.running_daemon();
  add_daemon(report, context, daemon);
  add_system(report);
  if (daemon != nullptr) add_apps(report, context);
  add_log(report, context.paths().log());
  context.output.payload(report.text());
  return 0;
}

int run_examples(Context& context, Arguments& arguments) {
  context.parse(arguments);
  context.output.payload(
      "Start\n"
      "  pmx start app.js                      a script; the interpreter by its extension\n"
      "  pmx start ./server -- --port 80       a program with arguments\n"
      "  pmx start \"npm run dev\" --name web    a shell command\n"
      "  pmx start server.js -i max            one worker per core, all on one port\n"
      "  pmx start apps.json --only web        what a file lists\n"
      "\n"
      "Look\n"
      "  pmx list, pmx show web                what runs, and all that is known of it\n"
      "  pmx logs web --lines 100              what it prints\n"
      "\n"
      "Change\n"
      "  pmx reload web                        new code without a failed request\n"
      "  pmx scale web +2                      more workers\n"
      "  pmx plan apps.json                    what a changed file would do; apply does it\n"
      "  pmx stop web, pmx delete web\n"
      "\n"
      "Talk to an app\n"
      "  pmx send 0 \"a line\"                   to its stdin; pmx attach 0 stays\n"
      "  pmx trigger web clear-cache           an action that it offers\n");
  return 0;
}

}  // namespace pmx::cli
