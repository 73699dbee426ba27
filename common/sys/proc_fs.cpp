#include "common/sys/proc_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <memory>

#include "common/base/unique_fd.h"
#include "common/sys/file.h"

namespace pmx::sys {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

template <class Number>
Number number_from(std::string_view text) {
  Number value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A process that ends while it is read gives ESRCH or EACCES: as good as gone.
std::string read_or_empty(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  if (!fd) return content;
  std::array<char, 4096> block;
  for (;;) {
    const ssize_t count = ::read(fd.get(), block.data(), block.size());
    if (count <= 0) return content;
    content.append(block.data(), static_cast<std::size_t>(count));
  }
}

std::vector<pid_t> numeric_entries(const std::string& path) {
  std::vector<pid_t> numbers;
  const Directory directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return numbers;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (!name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) != 0)
      numbers.push_back(number_from<pid_t>(name));
  }
  return numbers;
}

bool kernel_lists_children() {
  static const bool available =
      ::access("/proc/self/task/", R_OK) == 0 &&
      ::access(fmt::format("/proc/self/task/{}/children", ::getpid()).c_str(), R_OK) == 0;
  return available;
}

void append_children(pid_t pid, pid_t thread, std::vector<pid_t>& children) {
  const std::string text = read_or_empty(fmt::format("/proc/{}/task/{}/children", pid, thread));
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin)
      children.push_back(number_from<pid_t>(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
}

}  // namespace

std::optional<ProcessStat> process_stat(pid_t pid) {
  const std::string text = read_or_empty(fmt::format("/proc/{}/stat", pid));
  // The name, in parentheses, may hold anything: fields are counted from the last ')'.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::array<std::string_view, 25> fields{};  // fields[i] = field i of proc(5), from 3 on
  std::size_t begin = name_end + 2;
  for (std::size_t i = 3; i < fields.size() && begin < text.size(); ++i) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    fields[i] = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
  }
  if (fields[24].empty()) return std::nullopt;
  ProcessStat stat;
  stat.state = fields[3].front();
  stat.parent = number_from<pid_t>(fields[4]);
  stat.session = number_from<pid_t>(fields[6]);
  stat.cpu_ticks = number_from<std::uint64_t>(fields[14]) + number_from<std::uint64_t>(fields[15]);
  stat.threads = number_from<int>(fields[20]);
  stat.start_time = number_from<std::uint64_t>(fields[22]);
  stat.rss_pages = number_from<std::uint64_t>(fields[24]);
  return stat;
}

std::vector<pid_t> children_of(pid_t pid, int threads) {
  std::vector<pid_t> children;
  if (kernel_lists_children()) {
    if (threads == 1) {
      append_children(pid, pid, children);
      return children;
    }
    // A child belongs to the thread that made it; the common single-threaded process costs one
    // read.
    for (const pid_t thread : numeric_entries(fmt::format("/proc/{}/task", pid)))
      append_children(pid, thread, children);
    return children;
  }
  for (const pid_t candidate : numeric_entries("/proc")) {
    const std::optional<ProcessStat> stat = process_stat(candidate);
    if (stat && stat->parent == pid) children.push_back(candidate);
  }
  return children;
}

bool has_environment(pid_t pid, std::string_view entry_begin) {
  const std::string text = read_or_empty(fmt::format("/proc/{}/environ", pid));
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    if (std::string_view(text).substr(begin, end - begin).substr(0, entry_begin.size()) ==
        entry_begin)
      return true;
    begin = end + 1;
  }
  return false;
}

std::vector<std::uint64_t> socket_inodes(pid_t pid) {
  constexpr std::string_view kPrefix = "socket:[";
  std::vector<std::uint64_t> inodes;
  const std::string directory = fmt::format("/proc/{}/fd", pid);
  for (const pid_t number : numeric_entries(directory)) {
    std::array<char, 64> target{};
    const ssize_t size =
        ::readlink(fmt::format("{}/{}", directory, number).c_str(), target.data(), target.size());
    const std::string_view text(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (text.starts_with(kPrefix))
      inodes.push_back(number_from<std::uint64_t>(text.substr(kPrefix.size())));
  }
  return inodes;
}

std::optional<pid_t> holder_of_socket(const std::vector<std::uint64_t>& inodes) {
  for (const pid_t pid : numeric_entries("/proc")) {
    const std::vector<std::uint64_t> held = socket_inodes(pid);
    if (std::find_first_of(held.begin(), held.end(), inodes.begin(), inodes.end()) != held.end())
      return pid;
  }
  return std::nullopt;
}

std::string command_text(pid_t pid, std::size_t most) {
  std::string text = read_or_empty(fmt::format("/proc/{}/cmdline", pid));
  while (!text.empty() && text.back() == '\0') text.pop_back();
  if (text.empty()) text = read_or_empty(fmt::format("/proc/{}/comm", pid));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  // It is shown in messages of one line.
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  if (text.size() > most) text.resize(most);
  return text;
}

std::string boot_id() {
  std::string id = read_file("/proc/sys/kernel/random/boot_id").value_or("");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace pmx::sys
