// The key/value store.
#include "common/config/settings.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "common/base/error.h"
#include "common/config/log_defaults.h"
#include "common/sys/file.h"
#include "config_test_directory.h"

using namespace pmx;

TEST_CASE("keys nest by colon and dot") {
  Settings settings;
  settings.set("web:port", "80");
  settings.set("web.mode", "a b");
  settings.set("solo", "x");
  CHECK(settings.get("web.port") == "80");
  CHECK(settings.get("web:mode") == "a b");
  CHECK_FALSE(settings.get("web"));
  CHECK(settings.entries("web").size() == 2);
  CHECK(settings.entries("we").empty());
  CHECK(settings.entries().size() == 3);
  CHECK(settings.variables_of("web") == Env{{"mode", "a b"}, {"port", "80"}});
  CHECK(settings.variables_of("solo").empty());
  CHECK_FALSE(settings.unset("nope"));
  CHECK(settings.unset("web"));
  CHECK(settings.entries().size() == 1);
  CHECK(settings.unset("all"));
  CHECK(settings.entries().empty());
}

TEST_CASE("what is no key, or would hide another, is refused") {
  Settings settings;
  for (const char* bad : {"", ":", "a:", ":a", "a::b", "a:b:c:d:e:f:g:h:i", "\xff"})
    CHECK_THROWS_AS(settings.set(bad, "1"), Error);
  settings.set("a:b", "1");
  CHECK_THROWS_AS(settings.set("a", "1"), Error);
  CHECK_THROWS_AS(settings.set("a:b:c", "1"), Error);
  CHECK_THROWS_AS(settings.set("c", "\xff"), Error);
  settings.set("a:b", "2");
  CHECK(settings.get("a:b") == "2");
}

TEST_CASE("the file is replaced as a whole, in pm2's shape") {
  const test::Directory directory;
  const std::string path = directory.path() + "/module_conf.json";
  Settings::change(path, [](Settings& all) { all.set("web:port", "80"); });
  Settings::change(path, [](Settings& all) { all.set("solo", "\"x\""); });
  CHECK(Settings::load(path).get("web:port") == "80");
  const std::string text = sys::read_file(path).value_or("");
  CHECK(text ==
        "{\n    \"solo\": \"\\\"x\\\"\",\n    \"web\": {\n        \"port\": \"80\"\n    }\n}\n");
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  // A change that fails changes nothing.
  CHECK_THROWS_AS(Settings::change(path, [](Settings& all) { all.set("web", "1"); }), Error);
  CHECK(sys::read_file(path) == text);
}

TEST_CASE("a file by hand: numbers are texts, nonsense is named") {
  const test::Directory directory;
  const std::string path = directory.path() + "/module_conf.json";
  CHECK(Settings::load(path).entries().empty());
  sys::replace_file(path, R"({"a":{"n":5,"t":true}})", 0600);
  CHECK(Settings::load(path).get("a:n") == "5");
  for (const char* bad : {"[]", "{", "", R"({"a":[1]})"}) {
    sys::replace_file(path, bad, 0600);
    CHECK_THROWS_AS(Settings::load(path), Error);
  }
}

TEST_CASE("defaults of log rotation") {
  Settings settings;
  CHECK(default_log_limits(settings) == LogLimits());
  settings.set("pm2-logrotate:max_size", "10M");
  settings.set("pm2-logrotate.compress", "true");
  settings.set("pm2-logrotate:retain", "3");
  settings.set("other:max_size", "1");
  LogLimits limits;
  limits.max_size = std::uint64_t{10} << 20U;
  limits.compress = true;
  limits.retain = 3;
  CHECK(default_log_limits(settings) == limits);
  for (const char* times : {"", "0 0 * * *", "*/5 0-6 1,15 * mon", "30 0 0 * * *", "@daily"})
    CHECK_NOTHROW(check_log_default("pm2-logrotate:rotateInterval", times));
  for (const char* times : {"x", "0 0", "60 0 * * *", "0 24 * * *", "0 0 32 * *", "0 0 * 13 *",
                            "0 0 * * 8", "0 0 * * * * *", "0 0 * * $"})
    CHECK_THROWS_AS(check_log_default("pm2-logrotate:rotateInterval", times), Error);
  for (const char* key : {"pm2-logrotate", "pm2-logrotate:TZ", "pm2-logrotate:max_size:x"})
    CHECK_THROWS_AS(check_log_default(key, "1"), Error);
  CHECK(is_log_default("pm2-logrotate.x"));
  CHECK_FALSE(is_log_default("web:pm2-logrotate"));
  LogLimits own;
  own.max_size = 5;
  const LogLimits followed = follow_defaults(own, {}, limits);
  CHECK(followed.max_size == 5);
  CHECK(followed.retain == 3);
  CHECK(followed.compress);
}
