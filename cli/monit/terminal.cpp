#include "cli/monit/terminal.h"

#define NCURSES_NOMACROS  // functions only: its macros have names such as erase and move
#include <curses.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cwchar>
#include <string>

#include "cli/monit/terminal_rescue.h"
#include "common/base/error.h"

namespace pmx::cli::monit {
namespace {

constexpr int kEscapeDelay = 50;  // milliseconds in which the rest of a key's sequence must come
short pair_of(Colour colour) { return static_cast<short>(static_cast<int>(colour) + 1); }

void make_colours() {
  ::start_color();
  ::use_default_colors();
  const auto make = [](Colour colour, short number) { ::init_pair(pair_of(colour), number, -1); };
  make(Colour::cyan, COLOR_CYAN);
  make(Colour::green, COLOR_GREEN);
  make(Colour::blue, COLOR_BLUE);
  make(Colour::red, COLOR_RED);
  make(Colour::yellow, COLOR_YELLOW);
}

attr_t attributes_of(const Style& style) {
  attr_t attributes = A_NORMAL;
  if (style.bold || style.colour == Colour::bold) attributes |= A_BOLD;
  if (style.dim || style.colour == Colour::grey) attributes |= A_DIM;
  if (style.reverse) attributes |= A_REVERSE;
  return attributes;
}

std::string utf8_of(wint_t character) {
  std::array<char, MB_LEN_MAX> bytes{};
  std::mbstate_t state{};
  const std::size_t size = std::wcrtomb(bytes.data(), static_cast<wchar_t>(character), &state);
  return size == static_cast<std::size_t>(-1) ? std::string() : std::string(bytes.data(), size);
}

std::optional<Input> mouse_input() {
  MEVENT event{};
  if (::getmouse(&event) != OK) return std::nullopt;
  Input input{.row = event.y, .column = event.x};
  if ((event.bstate & BUTTON4_PRESSED) != 0) {
    input.kind = Input::Kind::wheel_up;
  } else if ((event.bstate & BUTTON5_PRESSED) != 0) {
    input.kind = Input::Kind::wheel_down;
  } else if ((event.bstate & BUTTON1_PRESSED) != 0) {
    input.kind = Input::Kind::click;
  } else {
    return std::nullopt;
  }
  return input;
}

std::optional<Input> key_input(wint_t key) {
  using Kind = Input::Kind;
  switch (key) {
    case KEY_UP:
      return Input{Kind::up};
    case KEY_DOWN:
      return Input{Kind::down};
    case KEY_LEFT:
      return Input{Kind::left};
    case KEY_RIGHT:
      return Input{Kind::right};
    case KEY_PPAGE:
      return Input{Kind::page_up};
    case KEY_NPAGE:
      return Input{Kind::page_down};
    case KEY_HOME:
      return Input{Kind::home};
    case KEY_END:
      return Input{Kind::end};
    case KEY_ENTER:
      return Input{Kind::enter};
    case KEY_BTAB:
      return Input{Kind::back_tab};
    case KEY_BACKSPACE:
      return Input{Kind::backspace};
    case KEY_DC:
      return Input{Kind::remove};
    case KEY_MOUSE:
      return mouse_input();
    default:
      return std::nullopt;
  }
}

Input character_input(wint_t character) {
  using Kind = Input::Kind;
  switch (character) {
    case '\r':
    case '\n':
      return {Kind::enter};
    case '\t':
      return {Kind::tab};
    case '\x1b':
      return {Kind::escape};
    case '\b':
    case '\x7f':
      return {Kind::backspace};
    default:
      return {Kind::character, utf8_of(character)};
  }
}

// TERM is often not quite what the terminal is (tmux and rxvt inside "xterm"): the other ways to send
// these two.
void define_common_keys() {
  for (const char* home : {"\x1b[1~", "\x1b[7~", "\x1b[H", "\x1bOH"}) ::define_key(home, KEY_HOME);
  for (const char* end : {"\x1b[4~", "\x1b[8~", "\x1b[F", "\x1bOF"}) ::define_key(end, KEY_END);
}

// After an escape character: leaves out the rest of a sequence that ncurses does not know, such as
// Alt with a letter. False: there is none, it was the Esc key alone.
bool skip_sequence() {
  wint_t next = 0;
  if (::wget_wch(stdscr, &next) == ERR) return false;
  if (next == '\x1b') {  // the key again
    ::unget_wch(static_cast<wchar_t>(next));
    return false;
  }
  if (next != '[' && next != 'O') return true;
  while (::wget_wch(stdscr, &next) != ERR) {
    if (next >= '@' && next <= '~') break;
  }
  return true;
}

}  // namespace

struct Terminal::Screen {
  SCREEN* screen = nullptr;
  bool has_colours = false;
};

Terminal::Terminal(bool with_colours) : screen_(std::make_unique<Screen>()) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1)
    throw Error(ErrorCode::invalid_request, "monit needs a terminal",
                "pmx list and pmx jlist do not");
  // As everything that pmx prints: UTF-8, whatever the locale. glibc has this one built in.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  // The console's mouse would have ncurses load a shared library into a static program.
  ::setenv("NCURSES_GPM_TERMS", "none", 0);
  choose_description();
  const Modes modes = present_modes();
  screen_->screen = ::newterm(nullptr, stdout, stdin);
  if (screen_->screen == nullptr)
    throw Error(ErrorCode::internal, "ncurses cannot use this terminal",
                "pmx list needs no more than lines");
  arm_rescue(modes);
  screen_->has_colours = with_colours && ::has_colors();
  if (screen_->has_colours) make_colours();
  ::cbreak();
  ::noecho();
  nonl();
  ::keypad(stdscr, TRUE);
  define_common_keys();
  ::nodelay(stdscr, TRUE);
  ::leaveok(stdscr, FALSE);
  ::set_escdelay(kEscapeDelay);
  ::mouseinterval(0);
  ::mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
}

Terminal::~Terminal() {
  ::endwin();
  disarm_rescue();
  ::delscreen(screen_->screen);
}

Size Terminal::size() const { return {LINES, COLS}; }

void Terminal::show(const Picture& picture) {
  ::werase(stdscr);
  for (const Piece& piece : picture.pieces) {
    const bool has_colour = screen_->has_colours && piece.style.colour >= Colour::cyan &&
                            piece.style.colour <= Colour::yellow;
    wattr_set(stdscr, attributes_of(piece.style), has_colour ? pair_of(piece.style.colour) : 0,
              nullptr);
    ::mvwaddnstr(stdscr, piece.row, piece.column, piece.text.c_str(),
                 static_cast<int>(piece.text.size()));
  }
  wattr_set(stdscr, A_NORMAL, 0, nullptr);
  ::curs_set(picture.cursor ? 1 : 0);
  if (picture.cursor) ::wmove(stdscr, picture.cursor->row, picture.cursor->column);
  ::wrefresh(stdscr);
}

std::optional<Input> Terminal::next_input() {
  for (;;) {
    wint_t character = 0;
    const int kind = ::wget_wch(stdscr, &character);
    if (kind == ERR) return std::nullopt;
    if (kind != KEY_CODE_YES && character == '\f') {
      ::clearok(stdscr, TRUE);  // somebody else has written on the screen
      continue;
    }
    if (kind != KEY_CODE_YES) {
      const Input input = character_input(character);
      if (input.kind != Input::Kind::escape || !skip_sequence()) return input;
      continue;
    }
    if (std::optional<Input> input = key_input(character)) return input;
  }
}

void Terminal::take_new_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    return;
  ::resizeterm(size.ws_row, size.ws_col);
  ::clearok(stdscr, TRUE);
}

void Terminal::suspend() {
  ::endwin();
  ::raise(SIGSTOP);
  take_new_size();
}

}  // namespace pmx::cli::monit
