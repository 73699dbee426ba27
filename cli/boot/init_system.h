// Which program starts services at boot: the one that runs, else the one whose tools are there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pmx::cli {

enum class InitSystem { systemd, openrc, sysv };

std::string_view to_string(InitSystem init) noexcept;

// By its name or by one of pm2's names of platforms ("ubuntu", "amazon"). nullopt: pmx serves no
// such system.
std::optional<InitSystem> init_system_of(std::string_view platform) noexcept;

// `root`: where its file system begins, "" for this one. `path_variable`: where its tools are looked
// for. nullopt: none that pmx knows.
std::optional<InitSystem> detect_init_system(const std::string& root,
                                             const std::string& path_variable);

}  // namespace pmx::cli
