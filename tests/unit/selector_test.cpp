// Selector: parsing and pm2's precedence of name, path, namespace and id.
#include "daemon/policy/selector.h"

#include <doctest/doctest.h>

#include <string>

#include "common/base/error.h"

using namespace pmx;
using Ids = std::vector<int>;

namespace {

// Deliberately not in the order of ids.
const std::vector<SelectorTarget> kTargets{
    {7, "api", "web", "/srv/api/main.js"},     {2, "api", "web", "/srv/api/main.js"},
    {0, "worker", "default", "/srv/loop.js"},  {3, "1", "default", "/srv/loop.js"},
    {1, "web", "other", "/srv/static.js"},     {4, "api-admin", "5", "/srv/admin.py"},
    {5, "batch", "default", "/srv/my job.sh"}, {6, "ns:web", "default", "/srv/odd.js"},
};

Ids select(std::string_view text, std::string_view cwd = "/srv") {
  return Selector::parse(text).resolve(kTargets, cwd);
}

ErrorCode parse_error(std::string_view text) {
  try {
    static_cast<void>(Selector::parse(text));
  } catch (const Error& error) {
    CHECK_FALSE(error.hint().empty());
    return error.code();
  }
  FAIL("accepted");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("all") {
  CHECK(select("all") == Ids{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(Selector::parse("all").resolve({}, "/").empty());
}

TEST_CASE("names, ascending ids") {
  CHECK(select("api") == Ids{2, 7});
  CHECK(select("worker") == Ids{0});
  CHECK(select("wor").empty());
  CHECK(select("API").empty());
}

TEST_CASE("script paths, resolved against the caller's folder") {
  CHECK(select("loop.js") == Ids{0, 3});
  CHECK(select("./loop.js") == Ids{0, 3});
  CHECK(select("../srv/loop.js", "/tmp") == Ids{0, 3});
  CHECK(select("/srv/loop.js", "/tmp") == Ids{0, 3});
  CHECK(select("my job.sh") == Ids{5});
  CHECK(select("loop.js", "/tmp").empty());
  // By name or by path, both in one category.
  const std::vector<SelectorTarget> both{{1, "a.js", "x", "/srv/b.js"}, {0, "b", "x", "/srv/a.js"}};
  CHECK(Selector::parse("a.js").resolve(both, "/srv") == Ids{0, 1});
}

TEST_CASE("a name beats a namespace; ns: asks for the namespace") {
  CHECK(select("web") == Ids{1});
  CHECK(select("other") == Ids{1});
  CHECK(select("default") == Ids{0, 3, 5, 6});
  CHECK(select("ns:other") == Ids{1});
  CHECK(select("ns:nowhere").empty());
  CHECK(select("ns:web") == Ids{6});  // an app of that very name
  const std::vector<SelectorTarget> without(kTargets.begin(), kTargets.end() - 1);
  CHECK(Selector::parse("ns:web").resolve(without, "/") == Ids{2, 7});
}

TEST_CASE("numbers: name, namespace, then id") {
  CHECK(select("1") == Ids{3});
  CHECK(select("5") == Ids{4});
  CHECK(select("7") == Ids{7});
  CHECK(select("007") == Ids{7});
  CHECK(select("99").empty());
  CHECK(select("-1").empty());
  CHECK(select("1.5").empty());
  CHECK(select("99999999999999999999").empty());
  // A number is not a path.
  CHECK(Selector::parse("12").resolve({{0, "a", "b", "/srv/12"}}, "/srv").empty());
}

TEST_CASE("expressions search in names") {
  CHECK(select("/api/") == Ids{2, 4, 7});
  CHECK(select("/^api$/") == Ids{2, 7});
  CHECK(select("/^(worker|batch)$/") == Ids{0, 5});
  CHECK(select("/[0-9]/") == Ids{3});
  CHECK(select("/\\d/") == Ids{3});
  CHECK(select("/default/").empty());
  CHECK(select("/a/p/i$/") == Ids{2, 7});  // as pm2: slashes inside are removed
  CHECK(select("/API/").empty());
}

TEST_CASE("bad expressions are refused with usage") {
  CHECK(parse_error("/(/") == ErrorCode::invalid_request);
  CHECK(parse_error("/[z-a]/") == ErrorCode::invalid_request);
  CHECK(parse_error("/*/") == ErrorCode::invalid_request);
  CHECK(parse_error("///") == ErrorCode::invalid_request);
  CHECK(parse_error("/(a)\\1/") == ErrorCode::invalid_request);
  CHECK(parse_error("/" + std::string(513, 'a') + "/") == ErrorCode::invalid_request);
  CHECK(select("/" + std::string(512, 'a') + "/").empty());
  CHECK(parse_error("/" + std::string(512, '(') + "/") == ErrorCode::invalid_request);
  CHECK(parse_error("") == ErrorCode::invalid_request);
}

TEST_CASE("a slip of the finger is not an expression") {
  CHECK(select("/").empty());
  CHECK(select("//").empty());
  CHECK(select("api/").empty());
  CHECK(select("/api").empty());
}

TEST_CASE("an expression that invites backtracking ends") {
  const std::string name(5'000, 'a');
  const std::vector<SelectorTarget> targets{{0, name, "x", "/y"}};
  CHECK(Selector::parse("/^(a*)*b$/").resolve(targets, "/").empty());
  CHECK(Selector::parse("/^(a|aa)+$/").resolve(targets, "/") == Ids{0});
}

TEST_CASE("the text is kept for messages") { CHECK(Selector::parse("ns:web").text() == "ns:web"); }
