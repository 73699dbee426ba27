#include "cli/doctor/daemon_checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "common/base/build_info.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

// Whether the process runs another file than the one that is installed now. False if it cannot be
// looked at.
bool is_replaced(int pid, const std::string& installed) {
  const auto running = sys::file_id(fmt::format("/proc/{}/exe", pid));
  return running && running != sys::file_id(installed);
}

Finding check_versions(const DaemonQuestions& questions) {
  if (questions.version != kVersion)
    return {"version", Verdict::fault,
            fmt::format("this is pmx {}, the daemon is {}", kVersion, questions.version),
            "pmx update: apps run on"};
  if (is_replaced(questions.daemon_pid, questions.own_directory + "/pmxd"))
    return {"version", Verdict::fault,
            fmt::format("the daemon (pid {}) is not the program that is installed in {}",
                        questions.daemon_pid, questions.own_directory),
            "pmx update: apps run on"};
  return {"version", Verdict::ok, fmt::format("pmx and the daemon are {}", kVersion), ""};
}

// An older keeper serves newer daemons; it has no policy that could be out of date.
Finding check_keeper(const DaemonQuestions& questions) {
  if (!is_replaced(questions.keeper_pid, questions.own_directory + "/pmx-keeper"))
    return {"keeper", Verdict::ok, fmt::format("pmx-keeper, pid {}", questions.keeper_pid), ""};
  return {
      "keeper", Verdict::note,
      fmt::format("pmx-keeper (pid {}) is of an earlier installation; it goes on to do its work",
                  questions.keeper_pid),
      "at a good moment: pmx unit stop && pmx list; apps are restarted by it"};
}

std::string quoted(const std::string& name) {
  return name.find(' ') == std::string::npos ? name : '\'' + name + '\'';
}

Finding check_app(const InstanceStatus& one) {
  const AppSpec& spec = one.detail->spec;
  const auto missing = [](const std::string& path, int how) {
    return path.starts_with('/') && ::access(path.c_str(), how) != 0;
  };
  const std::string again =
      fmt::format("pmx delete {0} && pmx start ... --name {0}", quoted(one.name));
  if (missing(spec.interpreter_path, X_OK))
    return {"app", Verdict::fault,
            fmt::format("{}: its interpreter {} is gone: the next start fails", one.name,
                        spec.interpreter_path),
            fmt::format("install it there again, or have it looked up anew: {}", again)};
  if (!spec.shell && missing(spec.script, F_OK))
    return {"app", Verdict::fault,
            fmt::format("{}: its script {} is gone: the next start fails", one.name, spec.script),
            fmt::format("put it back, or: pmx delete {}", quoted(one.name))};
  if (missing(spec.cwd, X_OK))
    return {"app", Verdict::fault,
            fmt::format("{}: its directory {} is gone: the next start fails", one.name, spec.cwd),
            fmt::format("mkdir -p {}, or: {}", spec.cwd, again)};
  if (!one.watch_problem.empty())
    return {"app", Verdict::fault, fmt::format("{}: watch: {}", one.name, one.watch_problem),
            "sysctl fs.inotify.max_user_watches=524288, then pmx restart " + quoted(one.name)};
  return {"app", Verdict::ok, one.name, ""};
}

}  // namespace

Findings check_daemon(const DaemonQuestions& questions) {
  if (questions.answers) return {check_versions(questions), check_keeper(questions)};
  if (questions.has_keeper)
    return {{"daemon", Verdict::fault,
             fmt::format("pmx-keeper of {} runs, but its daemon does not answer", questions.home),
             fmt::format("see {0}/pmx.log; kill -9 $(cat {0}/pmx.pid) costs the apps nothing",
                         questions.home)}};
  return {{"daemon", Verdict::ok, "no daemon runs for " + questions.home, ""}};
}

Findings check_apps(const std::vector<InstanceStatus>& instances) {
  Findings findings;
  std::set<std::string> seen;
  for (const InstanceStatus& one : instances) {
    if (!one.detail || !seen.insert(one.name).second) continue;
    Finding finding = check_app(one);
    if (finding.verdict != Verdict::ok) findings.push_back(std::move(finding));
  }
  if (findings.empty())
    findings.push_back(
        {"app", Verdict::ok, fmt::format("{} apps have all they need", seen.size()), ""});
  return findings;
}

}  // namespace pmx::cli
