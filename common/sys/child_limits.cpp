#include "common/sys/child_limits.h"

#include <fmt/format.h>
#include <linux/ioprio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string_view>
#include <utility>

#include "common/base/error.h"

namespace pmx::sys {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 16> kResources{{
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
}};

[[noreturn]] void refuse(std::string_view key, std::string_view value,
                         const std::string& expected) {
  throw Error(ErrorCode::invalid_spec,
              fmt::format("{}: expected {}, not \"{}\"", key, expected, value));
}

template <class Number>
std::optional<Number> number_of(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<rlim_t> limit_of(std::string_view text) {
  if (text == "unlimited" || text == "infinity") return RLIM_INFINITY;
  rlim_t unit = 1;
  if (!text.empty()) {
    const std::size_t power = std::string_view("KMG").find(text.back());
    if (power != std::string_view::npos) {
      unit <<= 10 * (power + 1);
      text.remove_suffix(1);
    }
  }
  const auto value = number_of<rlim_t>(text);
  return value ? std::optional<rlim_t>(*value * unit) : std::nullopt;
}

ChildLimits::Rlimit rlimit_of(const std::string& name, const std::string& text) {
  const std::string key = "limits." + name;
  const auto* const resource = std::find_if(kResources.begin(), kResources.end(),
                                            [&](const auto& entry) { return entry.first == name; });
  if (resource == kResources.end()) {
    std::string names;
    for (const auto& [known, number] : kResources) names += fmt::format(" {}", known);
    throw Error(ErrorCode::invalid_spec, fmt::format("{}: there is no such limit", key),
                "there is:" + names);
  }
  const std::size_t colon = text.find(':');
  const auto soft = limit_of(std::string_view(text).substr(0, colon));
  const auto hard =
      colon == std::string::npos ? soft : limit_of(std::string_view(text).substr(colon + 1));
  if (!soft || !hard || *soft > *hard)
    refuse(key, text, "a number, \"64M\", \"unlimited\", or two of them, \"soft:hard\"");
  return {resource->second, {*soft, *hard}};
}

int io_priority_of(const std::string& text) {
  constexpr std::array<std::pair<std::string_view, int>, 3> kClasses{{
      {"realtime", IOPRIO_CLASS_RT},
      {"best-effort", IOPRIO_CLASS_BE},
      {"idle", IOPRIO_CLASS_IDLE},
  }};
  constexpr int kUsual = 4;
  constexpr int kLeast = 7;
  const std::size_t colon = text.find(':');
  const auto level = colon == std::string::npos
                         ? std::optional<int>(kUsual)
                         : number_of<int>(std::string_view(text).substr(colon + 1));
  for (const auto& [name, number] : kClasses) {
    if (text.substr(0, colon) != name || !level || *level < 0 || *level > kLeast) continue;
    if (number == IOPRIO_CLASS_IDLE && colon != std::string::npos) continue;
    return (number << IOPRIO_CLASS_SHIFT) | (number == IOPRIO_CLASS_IDLE ? 0 : *level);
  }
  refuse("ionice", text,
         "\"idle\", \"best-effort\", \"best-effort:0\" to 7, or \"realtime:0\" to 7");
}

cpu_set_t cpus_of(const std::string& text) {
  const auto wrong = [&] { refuse("cpu_affinity", text, "numbers of processors, like \"0-3,6\""); };
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const std::size_t dash = part.find('-');
    const auto first = number_of<unsigned>(part.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : number_of<unsigned>(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= CPU_SETSIZE) wrong();
    for (unsigned cpu = *first; cpu <= *last; ++cpu) CPU_SET(cpu, &set);
  }
  return set;
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields{""};
  for (const char c : line) {
    if (c == ':') {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  return fields;
}

// group(5): name:password:gid:member,member
template <class Use>
void each_group(Use use) {
  std::ifstream groups("/etc/group");
  for (std::string line; std::getline(groups, line);) {
    const std::vector<std::string> fields = fields_of(line);
    const auto gid = fields.size() >= 4 ? number_of<gid_t>(fields[2]) : std::nullopt;
    if (gid) use(fields[0], *gid, "," + fields[3] + ",");
  }
}

gid_t group_of(std::string_view key, const std::string& text) {
  if (const auto found = find_group(text)) return *found;
  refuse(key, text, "a group of this machine, by name or number");
}

std::vector<gid_t> groups_of_user(const UserEntry& user) {
  std::vector<gid_t> groups{user.gid};
  each_group([&](const std::string&, gid_t gid, const std::string& members) {
    if (gid != user.gid && members.find("," + user.name + ",") != std::string::npos)
      groups.push_back(gid);
  });
  return groups;
}

void resolve_identity(const ProcessLimits& limits, ChildLimits& child) {
  if (!limits.uid.empty()) {
    const auto user = find_user(limits.uid);
    const auto number = number_of<uid_t>(limits.uid);
    if (!user && !number) refuse("uid", limits.uid, "a user of this machine, by name or number");
    child.uid = user ? user->uid : *number;
    if (user) {
      child.gid = user->gid;
      child.groups = groups_of_user(*user);
    }
  }
  if (!limits.gid.empty()) {
    child.gid = group_of("gid", limits.gid);
    if (limits.uid.empty()) child.groups = {*child.gid};
  }
  if (!limits.groups.empty()) {
    child.groups.clear();
    for (const std::string& group : limits.groups)
      child.groups.push_back(group_of("groups", group));
  }
}

}  // namespace

std::optional<UserEntry> find_user(const std::string& name_or_number) {
  // Not getpwnam: in a static program it needs the C library's plug-ins of this very version.
  std::ifstream users("/etc/passwd");
  for (std::string line; std::getline(users, line);) {
    const std::vector<std::string> fields = fields_of(line);
    if (fields.size() < 7 || (fields[0] != name_or_number && fields[2] != name_or_number)) continue;
    const auto uid = number_of<uid_t>(fields[2]);
    const auto gid = number_of<gid_t>(fields[3]);
    if (uid && gid) return UserEntry{fields[0], *uid, *gid, fields[5], fields[6]};
  }
  return std::nullopt;
}

std::optional<gid_t> find_group(const std::string& name_or_number) {
  if (const auto number = number_of<gid_t>(name_or_number)) return number;
  std::optional<gid_t> found;
  each_group([&](const std::string& name, gid_t gid, const std::string&) {
    if (name == name_or_number) found = gid;
  });
  return found;
}

ChildLimits child_limits(const ProcessLimits& limits) {
  ChildLimits child;
  for (const auto& [name, text] : limits.rlimits) child.rlimits.push_back(rlimit_of(name, text));
  if (limits.nice && (*limits.nice < -20 || *limits.nice > 19))
    refuse("nice", std::to_string(*limits.nice), "-20 to 19");
  child.nice = limits.nice;
  if (!limits.io_priority.empty()) child.io_priority = io_priority_of(limits.io_priority);
  if (!limits.cpu_affinity.empty()) child.cpus = cpus_of(limits.cpu_affinity);
  if (limits.oom_score_adj && (*limits.oom_score_adj < -1000 || *limits.oom_score_adj > 1000))
    refuse("oom_score_adj", std::to_string(*limits.oom_score_adj), "-1000 to 1000");
  child.oom_score_adj = limits.oom_score_adj;
  if (!limits.umask.empty()) {
    const auto mask = number_of<mode_t>(limits.umask, 8);
    if (!mask || *mask > 0777) refuse("umask", limits.umask, "an octal number up to 0777");
    child.umask = mask;
  }
  child.no_new_privileges = limits.no_new_privileges;
  resolve_identity(limits, child);
  return child;
}

std::string refused_limits(const ChildLimits& limits) {
  if (::geteuid() == 0) return {};
  if (limits.uid && *limits.uid != ::geteuid())
    return fmt::format("only root can run an app as another user (uid {})", *limits.uid);
  if (limits.gid && *limits.gid != ::getegid())
    return fmt::format("only root can run an app as another group (gid {})", *limits.gid);
  return {};
}

}  // namespace pmx::sys
