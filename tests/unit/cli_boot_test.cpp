// Services of boot: which init system, which files, which commands.
#include <doctest/doctest.h>

#include "cli/boot/boot_services.h"
#include "cli/boot/service_text.h"
#include "common/base/error.h"

namespace pmx::cli {
namespace {

BootService service() {
  return {.name = "pmx-alice",
          .user = "alice",
          .home = "/home/alice/.pmx",
          .program = "/opt/p m x/pmx"};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("platforms have pm2's names") {
  CHECK(init_system_of("systemd") == InitSystem::systemd);
  CHECK(init_system_of("ubuntu") == InitSystem::systemd);
  CHECK(init_system_of("centos6") == InitSystem::sysv);
  CHECK(init_system_of("upstart") == InitSystem::sysv);
  CHECK(init_system_of("gentoo") == InitSystem::openrc);
  CHECK_FALSE(init_system_of("darwin"));
}

TEST_CASE("a unit is the package's, with other words in it") {
  const std::string text = service_text(InitSystem::systemd, service());
  CHECK(has(text, "\nUser=alice\nEnvironment=\"PMX_HOME=/home/alice/.pmx\"\n"));
  CHECK(has(text, "\nExecStart=\"/opt/p m x/pmx\" unit run\n"));
  CHECK(has(text, "exec \"/opt/p m x/pmx\" unit stop"));
  CHECK(has(text, "\nWantedBy=multi-user.target\n"));
  CHECK_FALSE(has(text, "%i"));
  CHECK_FALSE(has(text, "=pmx "));
}

TEST_CASE("a unit of a user's own systemd") {
  BootService own = service();
  own.of_user_manager = true;
  const std::string text = service_text(InitSystem::systemd, own);
  CHECK(has(text, "\nWantedBy=default.target\n"));
  CHECK(has(text, "systemctl --user list-jobs"));
  CHECK(has(text, "\nType=notify\n"));
  CHECK_FALSE(has(text, "User="));
  CHECK_FALSE(has(text, "=+"));
  CHECK_FALSE(has(text, "OOMScoreAdjust"));
}

TEST_CASE("boot scripts") {
  for (const InitSystem init : {InitSystem::openrc, InitSystem::sysv}) {
    const std::string text = service_text(init, service());
    CHECK(has(text,
              "su -s /bin/sh alice -c \"PMX_HOME='/home/alice/.pmx' exec '/opt/p m x/pmx' $*\""));
    CHECK_FALSE(has(text, "{{"));
  }
}

TEST_CASE("what a service file cannot be trusted with") {
  for (const char* home :
       {"/home/a\nb", "/home/$(id)", "/home/a'b", "/home/a\"b", "/home/%h", "/home/a\\b"}) {
    BootService bad = service();
    bad.home = home;
    CHECK_THROWS_AS(service_text(InitSystem::systemd, bad), Error);
    CHECK_THROWS_AS(service_text(InitSystem::sysv, bad), Error);
  }
}

TEST_CASE("commands") {
  const ServiceScope here{
      .init = InitSystem::systemd, .root = "", .of_user_manager = false, .runs = true};
  CHECK(enabling(here, "pmx-a") == Commands{{"systemctl", "enable", "pmx-a.service"},
                                            {"systemctl", "start", "pmx-a.service"}});
  CHECK(disabling(here, "pmx-a") == Commands{{"systemctl", "stop", "pmx-a.service"},
                                             {"systemctl", "disable", "pmx-a.service"}});
  const ServiceScope image{
      .init = InitSystem::openrc, .root = "/mnt", .of_user_manager = false, .runs = false};
  CHECK(enabling(image, "pmx-a") ==
        Commands{{"chroot", "/mnt", "rc-update", "add", "pmx-a", "default"}});
  CHECK(rereading(image).empty());
}

}  // namespace pmx::cli
