// pmxd: the daemon. Started by pmx-keeper; started by hand it starts a keeper for itself.
//   --restore   its keeper gets the descriptors in $LISTEN_FDS (see restore_keeper)
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/build_info.h"
#include "common/base/error.h"
#include "common/config/paths.h"
#include "daemon/daemon.h"
#include "daemon/keeper/wire.h"

namespace {

constexpr int kExitUsage = 2;

struct Flags {
  std::string home;
  int link_fd = -1;
  int ready_fd = -1;
  bool version = false;
  bool restore = false;
};

std::optional<int> descriptor(std::string_view text) {
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc() || end != text.data() + text.size() || fd < 0) return std::nullopt;
  return fd;
}

std::optional<Flags> parse(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--version" || flag == "-v") {
      flags.version = true;
      continue;
    }
    if (flag == "--restore") {
      flags.restore = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const std::string_view value = argv[++i];
    if (flag == "--home") {
      flags.home = value;
    } else if (flag == "--link-fd" || flag == "--ready-fd") {
      const std::optional<int> fd = descriptor(value);
      if (!fd) return std::nullopt;
      (flag == "--link-fd" ? flags.link_fd : flags.ready_fd) = *fd;
    } else {
      return std::nullopt;
    }
  }
  return flags;
}

unsigned long soft_open_files() {
  const char* text = std::getenv("PMX_NOFILE_SOFT");
  return text != nullptr ? std::strtoul(text, nullptr, 10) : 0;
}

// sd_listen_fds_with_names(3); whose they are was looked at by `pmx unit run`.
std::vector<pmx::NamedFd> stored_descriptors() {
  constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  const char* const count = std::getenv("LISTEN_FDS");
  const char* const names = std::getenv("LISTEN_FDNAMES");
  std::vector<pmx::NamedFd> stored;
  std::string_view rest = names == nullptr ? "" : names;
  for (int i = 0; i < (count == nullptr ? 0 : std::atoi(count)); ++i) {
    const std::string_view name = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    stored.push_back({std::string(name), pmx::UniqueFd(kFirst + i)});
    ::fcntl(kFirst + i, F_SETFD, FD_CLOEXEC);
  }
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_FDNAMES");
  return stored;
}

int become_keeper(const std::string& directory, const std::string& home) {
  const std::string keeper = directory + "/pmx-keeper";
  const std::string daemon = directory + "/pmxd";
  ::execl(keeper.c_str(), "pmx-keeper", "--home", home.c_str(), "--daemon", daemon.c_str(),
          "--foreground", static_cast<char*>(nullptr));
  std::perror(keeper.c_str());
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Flags> flags = parse(argc, argv);
  if (!flags) {
    std::fputs("usage: pmxd [--home DIR]   (pmx starts it when needed)\n", stderr);
    return kExitUsage;
  }
  if (flags->version) {
    std::printf("%s\n", pmx::kVersion);
    return EXIT_SUCCESS;
  }
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    pmx::DaemonOptions options;
    options.paths =
        flags->home.empty() ? pmx::Paths::from_environment() : pmx::Paths::at(flags->home);
    if (std::getenv("PMX_TRANSIENT") != nullptr) options.paths.use_transient_database();
    options.own_directory = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    options.paths.ensure_home();
    if (flags->restore)
      return pmx::restore_keeper(options, stored_descriptors()) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (flags->link_fd < 0) return become_keeper(options.own_directory, options.paths.home());
    options.link.reset(flags->link_fd);
    options.ready.reset(flags->ready_fd);
    options.open_files = soft_open_files();
    return pmx::run_daemon(std::move(options));
  } catch (const pmx::Error& error) {
    fmt::print(stderr, "pmxd: {}\n", error.what());
    return pmx::keeper::kExitRefused;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pmxd: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
