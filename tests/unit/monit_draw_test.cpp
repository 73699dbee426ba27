#include <doctest/doctest.h>

#include <algorithm>

#include "cli/monit/columns.h"
#include "cli/monit/draw.h"
#include "cli/monit/layout.h"
#include "cli/monit/text.h"
#include "cli/render/text_width.h"
#include "tests/golden/golden_data.h"

namespace pmx::cli::monit {
namespace {

// The screen as text. Every piece must lie in it.
std::vector<std::string> screen_of(Model& model) {
  const Size size = model.size();
  const Picture picture = draw(model, golden::kNow);
  std::vector<std::vector<std::string>> cells(
      static_cast<std::size_t>(size.rows),
      std::vector<std::string>(static_cast<std::size_t>(size.columns), " "));
  for (const Piece& piece : picture.pieces) {
    REQUIRE(piece.row >= 0);
    REQUIRE(piece.row < size.rows);
    REQUIRE(piece.column >= 0);
    CAPTURE(piece.text);
    REQUIRE(piece.column + static_cast<int>(display_width(piece.text)) <= size.columns);
    auto column = static_cast<std::size_t>(piece.column);
    for (const std::string_view character : wrapped(piece.text, 1)) {
      auto& row = cells[static_cast<std::size_t>(piece.row)];
      row[column] = character;
      for (std::size_t more = 1; more < display_width(character); ++more) row[column + more] = "";
      column += display_width(character);
    }
  }
  std::vector<std::string> lines;
  for (const auto& row : cells) {
    std::string line;
    for (const std::string& cell : row) line += cell;
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(line);
  }
  return lines;
}

Model model_of(Size size, std::vector<InstanceStatus> instances) {
  Model model;
  model.set_size(size);
  model.set_instances(std::move(instances));
  return model;
}

bool has(const std::vector<std::string>& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

TEST_CASE("24 rows of 80 columns") {
  Model model = model_of({24, 80}, golden::instances());
  model.logs().add(LogStream::out, "hello");
  model.logs().add(LogStream::err, "bad");
  const auto lines = screen_of(model);
  CHECK(lines[0] ==
        " pmx monit  1 online, 1 errored, 1 waiting restart        cpu 12.5%  mem 51.4mb");
  CHECK(lines[1] == " id▲ name               uptime    ↺ status       cpu               mem");
  CHECK(lines[2] ==
        "   0 api                   60s    0 online     12.5%        █   51.4mb        █");
  CHECK(lines[3] ==
        "   1 worker                  0    7 waiting …     0%        ▁       0b        ▁");
  CHECK(lines[4] ==
        "   2 größe-日本              0    0 errored       0%        ▁       0b        ▁");
  CHECK(lines[5].starts_with("─ Logs ─ Details ─ Environment ───"));
  CHECK(lines[5].ends_with(" api (0) ─"));
  CHECK(lines[20].empty());
  CHECK(lines[6] == "  hello");
  CHECK(lines[7] == "! bad");
  CHECK(lines[22] == " 1 of 3");
  CHECK(lines[23] == " ? help  q quit  / filter  f find  o order  s stop  r restart  R reload");
}

TEST_CASE("nothing there, nothing that matches, no daemon") {
  Model model = model_of({24, 80}, {});
  CHECK(has(screen_of(model), "nothing here yet: pmx start app.js"));
  model.set_instances(golden::instances());
  for (const char* key : {"/", "x", "x"}) model.handle({Input::Kind::character, key});
  const auto lines = screen_of(model);
  CHECK(has(lines, "no instance matches the filter"));
  CHECK(lines[22] == " filter the list: xx");
  CHECK(draw(model, golden::kNow).cursor->column == 20);
  model.set_problem("the daemon has gone; waiting for it");
  CHECK(screen_of(model)[0] == " pmx monit  the daemon has gone; waiting for it");
}

TEST_CASE("a small terminal gets a kind message, whatever its size") {
  for (const Size size : {Size{23, 80}, Size{24, 79}, Size{3, 20}, Size{1, 1}, Size{2, 400}}) {
    Model model = model_of(size, golden::instances());
    CHECK_FALSE(screen_of(model).empty());
  }
  Model model = model_of({20, 60}, golden::instances());
  CHECK(has(screen_of(model), "pmx monit needs 80 columns and 24 rows,"));
  model.handle({Input::Kind::character, "q"});
  CHECK(model.wants_to_quit());
}

TEST_CASE("every size and state stays within the screen") {
  std::vector<InstanceStatus> many;
  for (int i = 0; i < 200; ++i)
    many.push_back(golden::instance(i, "größe-日本-with-a-very-long-name-" + std::to_string(i),
                                    i % 2 == 0 ? InstanceState::online : InstanceState::errored));
  for (const Size size : {Size{24, 80}, Size{25, 99}, Size{40, 120}, Size{24, 149}, Size{24, 150},
                          Size{60, 200}, Size{100, 400}}) {
    Model model = model_of(size, many);
    for (int i = 0; i < 50; ++i) model.logs().add(LogStream::err, std::string(300, 'x'));
    model.logs().search("xxx");
    InstanceStatus one = *model.selected();
    one.detail.emplace();
    one.detail->spec.env = {{"A", std::string(1000, 'y')}};
    model.set_detail(one, golden::kNow);
    for (const char* key : {"l", "z", "z", "d", "z", "z", "e", "z", "z", "?", "G", "s"}) {
      CAPTURE(key);
      CAPTURE(size.columns);
      model.handle({Input::Kind::character, key});
      screen_of(model);
    }
    model.handle({Input::Kind::escape});  // no to the question
    model.handle({Input::Kind::enter});   // to the list
    model.handle({Input::Kind::end});
    CHECK(has(screen_of(model), " 199 "));
  }
}

TEST_CASE("a wide screen has the logs beside the list") {
  Model model = model_of({60, 200}, golden::instances());
  model.logs().add(LogStream::out, "hello");
  const auto lines = screen_of(model);
  CHECK(lines[1].find("─ Logs ─") != std::string::npos);
  CHECK(lines[2].ends_with("   hello"));
  CHECK(lines[5].starts_with("─ Details ─ Environment ─"));
  model.handle({Input::Kind::character, "e"});
  CHECK(model.below() == Pane::environment);
  model.set_size({24, 80});
  CHECK(screen_of(model)[5].starts_with("─ Logs ─ Details ─ Environment ─"));
}

TEST_CASE("columns fill the width and do not overlap") {
  for (int width = 79; width < 300; ++width) {
    int end = 0;
    for (const PlacedColumn& column : columns_for(width)) {
      CHECK(column.at >= end);
      end = column.at + column.width;
    }
    CHECK(end <= width);
  }
}

TEST_CASE("panes of a layout do not overlap and lie between header and status") {
  for (const Size size : {Size{24, 80}, Size{60, 200}}) {
    for (const int instances : {0, 3, 200}) {
      const Layout layout = layout_of(size, instances, std::nullopt);
      CHECK(layout.list.row + layout.list.height <= layout.status.row);
      CHECK(layout.pane.row + layout.pane.height == layout.status.row);
      CHECK(layout.pane.height >= 5);
      if (layout.second_pane)
        CHECK(layout.second_pane->row + layout.second_pane->height == layout.status.row);
    }
  }
}

}  // namespace
}  // namespace pmx::cli::monit
