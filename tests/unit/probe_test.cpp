#include "common/model/probe.h"

#include <doctest/doctest.h>

#include <string>

#include "common/base/error.h"

namespace pmx {
namespace {

const Env kEnv{{"PORT", "8080"}, {"HOME_OF_IT", "/srv"}};

Probe ready(const std::string& text) { return parse_probe(text, ProbeUse::ready, kEnv); }
std::string shown(const std::string& text) { return describe(ready(text)); }
std::string refused(const std::string& text, ProbeUse use = ProbeUse::ready) {
  try {
    (void)parse_probe(text, use, kEnv);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("probes") {
  CHECK(shown("tcp:80") == "tcp 127.0.0.1:80");
  CHECK(shown("tcp:10.0.0.1:80") == "tcp 10.0.0.1:80");
  CHECK(shown("tcp:[::1]:80") == "tcp [::1]:80");
  CHECK(shown("http://127.0.0.1:3000/health?full=1") == "GET http://127.0.0.1:3000/health?full=1");
  CHECK(shown("http://localhost") == "GET http://127.0.0.1:80/");
  CHECK(shown("http://:3000/x") == "GET http://127.0.0.1:3000/x");
  CHECK(shown("http://[::1]:3000") == "GET http://[::1]:3000/");
  CHECK(shown("unix:/run/x.sock") == "unix /run/x.sock");
  CHECK(shown("exec:test $x = 1") == "`test $x = 1`");
  CHECK(ready("fd:5").fd == 5);
  CHECK(ready("notify").kind == Probe::Kind::notify);
  CHECK(ready("listen").kind == Probe::Kind::listen);
  CHECK(ready("message").kind == Probe::Kind::message);
}

TEST_CASE("variables of the instance") {
  CHECK(shown("http://:$PORT/x") == "GET http://127.0.0.1:8080/x");
  CHECK(shown("tcp:${PORT}") == "tcp 127.0.0.1:8080");
  CHECK(shown("unix:${HOME_OF_IT}/x.sock") == "unix /srv/x.sock");
  CHECK(refused("tcp:$NO") == "ready \"tcp:$NO\": the app has no variable NO");
  CHECK(refused("tcp:${PORT") == "ready \"tcp:${PORT\": a \"${\" is not closed");
  CHECK(shown("http://:80/$") == "GET http://127.0.0.1:80/$");
}

TEST_CASE("what is no probe") {
  CHECK(refused("") == "ready \"\": it is no probe");
  CHECK(refused("tcp:") == "ready \"tcp:\": \"\" is no port from 1 to 65535");
  CHECK(refused("tcp:0") == "ready \"tcp:0\": \"0\" is no port from 1 to 65535");
  CHECK(refused("tcp:name:1") == "ready \"tcp:name:1\": \"name\" is no IP address");
  CHECK(refused("http://[::1:80") == "ready \"http://[::1:80\": a \"[\" is not closed");
  CHECK(refused("http://:80/a b").ends_with("%20 is a space"));
  CHECK(refused("unix:x").ends_with("the path is not absolute"));
  CHECK(refused("exec:").ends_with("the command is missing"));
  CHECK(refused("fd:32").ends_with("no descriptor from 3 to 31"));
  for (const char* text : {"fd:5", "listen", "message", "log:x"})
    CHECK(refused(text, ProbeUse::health).ends_with("it is no probe"));
  CHECK(parse_probe("notify", ProbeUse::health, {}).kind == Probe::Kind::notify);
}

}  // namespace pmx
