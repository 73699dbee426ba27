// pmx slist: the machine in figures, as an object.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/commands/commands.h"
#include "cli/render/prettylist.h"
#include "common/base/build_info.h"
#include "common/config/cpu_count.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

Json machine(Context& context) {
  utsname kernel{};
  ::uname(&kernel);
  struct sysinfo info {};
  ::sysinfo(&info);
  std::array<double, 3> load{};
  ::getloadavg(load.data(), static_cast<int>(load.size()));
  const std::uint64_t unit = info.mem_unit;
  struct statvfs disk {};
  ::statvfs(context.paths().home().c_str(), &disk);
  Json all = {
      {"host", {{"name", kernel.nodename}, {"uptime", info.uptime}}},
      {"system",
       {{"name", kernel.sysname}, {"release", kernel.release}, {"architecture", kernel.machine}}},
      {"cpu",
       {{"cores", std::thread::hardware_concurrency()},
        {"usable", usable_cores()},
        {"load", load}}},
      {"memory",
       {{"total", info.totalram * unit},
        {"free", info.freeram * unit},
        {"swap_total", info.totalswap * unit},
        {"swap_free", info.freeswap * unit}}},
      {"disk",
       {{"total", std::uint64_t{disk.f_blocks} * disk.f_frsize},
        {"free", std::uint64_t{disk.f_bavail} * disk.f_frsize}}},
      {"pmx", {{"version", kVersion}, {"home", context.paths().home()}}}};
  std::map<std::string, int> states;
  double cpu = 0;
  std::uint64_t memory = 0;
  if (context.running_daemon() != nullptr) {
    for (const InstanceStatus& one : context.list_all()) {
      ++states[std::string(to_string(one.state))];
      cpu += one.cpu_percent;
      memory += one.memory_bytes;
    }
  }
  all["apps"] = {{"instances", states}, {"cpu", cpu}, {"memory", memory}};
  return all;
}

void add_tree(const Json& value, const std::string& indent, std::string& out) {
  for (auto member = value.begin(); member != value.end(); ++member) {
    const bool is_last = std::next(member) == value.end();
    const bool has_members = member->is_object();
    fmt::format_to(std::back_inserter(out), "{}{}{}{}\n", indent, is_last ? "└─ " : "├─ ",
                   member.key(), has_members ? "" : ": " + member->dump());
    if (has_members) add_tree(*member, indent + (is_last ? "   " : "│  "), out);
  }
}

}  // namespace

int run_slist(Context& context, Arguments& arguments) {
  bool tree = false;
  arguments.flag("-t,--tree", tree, "as a tree");
  context.parse(arguments);
  const Json all = machine(context);
  const std::string text = all.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (context.global.json) {
    context.output.data("machine", text);
  } else if (tree) {
    std::string lines;
    add_tree(all, "", lines);
    context.output.payload(lines);
  } else {
    context.output.payload(as_node_shows(text) + "\n");
  }
  return 0;
}

}  // namespace pmx::cli
