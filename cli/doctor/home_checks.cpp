#include "cli/doctor/home_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <optional>

namespace pmx::cli {
namespace {

std::optional<struct stat> look_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

Finding check_directory(const Paths& paths, uid_t user) {
  const std::string& home = paths.home();
  const auto status = look_at(home);
  if (!status) {
    if (errno == ENOENT) return {"home", Verdict::ok, home + " does not exist yet", ""};
    return {"home", Verdict::fault, fmt::format("{}: {}", home, std::strerror(errno)),
            "set PMX_HOME to a directory of your own"};
  }
  if (!S_ISDIR(status->st_mode))
    return {"home", Verdict::fault, home + " is not a directory",
            "mv " + home + " " + home + ".old"};
  if (status->st_uid != user)
    return {
        "home", Verdict::fault,
        fmt::format("{} belongs to user id {}, but this is user id {}", home, status->st_uid, user),
        fmt::format("call pmx as that user, or: sudo chown -R {} {}", user, home)};
  // A group may pass through to the socket: the system's instance has such a one.
  if ((status->st_mode & 0067U) != 0)
    return {
        "home", Verdict::fault,
        fmt::format("{} has mode {:04o}: others can look into it, and logs and the list of apps "
                    "may have secrets",
                    home, status->st_mode & 07777U),
        "chmod 700 " + home};
  for (const std::string& directory : {home, paths.logs(), paths.pids()}) {
    if (look_at(directory) && ::access(directory.c_str(), W_OK | X_OK) == 0) continue;
    return {"home", Verdict::fault,
            fmt::format("cannot write to {}: {}", directory, std::strerror(errno)),
            fmt::format("mkdir -p {0} && chown {1} {0} && chmod 700 {0}", directory, user)};
  }
  return {"home", Verdict::ok, home + " is this user's alone", ""};
}

Finding check_socket(const Paths& paths) {
  const auto status = look_at(paths.socket());
  if (!status) return {"socket", Verdict::ok, "no socket, as no daemon has made one", ""};
  if (!S_ISSOCK(status->st_mode))
    return {"socket", Verdict::fault,
            paths.socket() + " is not a socket: no command reaches a daemon",
            "rm " + paths.socket()};
  if ((status->st_mode & 0007U) != 0)
    return {
        "socket", Verdict::fault,
        fmt::format("{} has mode {:04o}: every user can connect and take up the daemon's places "
                    "for clients",
                    paths.socket(), status->st_mode & 07777U),
        "chmod 600 " + paths.socket()};
  return {"socket", Verdict::ok, paths.socket() + " is closed to others", ""};
}

Finding check_disk(const Paths& paths) {
  constexpr std::uint64_t kLittle = std::uint64_t{64} << 20U;
  constexpr std::uint64_t kFewFiles = 256;
  struct statvfs disk {};
  if (::statvfs(paths.home().c_str(), &disk) != 0) return {"disk", Verdict::ok, "not in use", ""};
  const std::uint64_t free = disk.f_bavail * disk.f_frsize;
  if (free < kLittle)
    return {
        "disk", Verdict::fault,
        fmt::format("{} MiB are left on the disk of {}: logs stop, and changes are not remembered",
                    free >> 20U, paths.home()),
        "pmx flush empties the logs; else make room"};
  if (disk.f_files > 0 && disk.f_favail < kFewFiles)
    return {"disk", Verdict::fault,
            fmt::format("the disk of {} can take {} more files only", paths.home(), disk.f_favail),
            "remove small files, or make a file system with more inodes"};
  return {"disk", Verdict::ok, fmt::format("{} MiB are free", free >> 20U), ""};
}

Finding check_clock(const Paths& paths) {
  constexpr std::time_t kTolerated = 60;
  const std::time_t now = std::time(nullptr);
  for (const std::string& path : {paths.database(), paths.log()}) {
    const auto status = look_at(path);
    if (!status || status->st_mtime <= now + kTolerated) continue;
    return {
        "clock", Verdict::fault,
        fmt::format("{} was written {} s in the future: the clock is wrong, or was; uptimes and "
                    "schedules are off",
                    path, status->st_mtime - now),
        "timedatectl set-ntp true, or date -s; then pmx restart what has a schedule"};
  }
  const auto program = look_at("/proc/self/exe");
  if (program && program->st_mtime > now + 86400)
    return {"clock", Verdict::fault, "the clock is before the day on which pmx was installed",
            "timedatectl set-ntp true, or date -s"};
  timex state{};
  if (::adjtimex(&state) == TIME_ERROR)
    return {"clock", Verdict::note, "the clock is not synchronised: schedules run when it says so",
            "timedatectl set-ntp true"};
  return {"clock", Verdict::ok, "the clock is right, as far as one can see", ""};
}

}  // namespace

Findings check_home(const Paths& paths, uid_t user) {
  return {check_directory(paths, user), check_socket(paths), check_disk(paths), check_clock(paths)};
}

}  // namespace pmx::cli
