// A cursor over the plain JSON (well-formed UTF-8) that RocketMQ's clients write; anything beyond it is for
// json::parse. Used by RequestDecoder alone.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "servers/wire/arena.h"

namespace rmq::wire {

// Every step says whether what it wants stands there; after a false nothing more is to be asked. Strings
// borrow from the text, or, with escapes in them, lie in the arena.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, Arena& arena)
      : at_(text.data()), end_(text.data() + text.size()), arena_(arena) {}

  bool open(char bracket) { return token(bracket); }
  bool close(char bracket) { return token(bracket); }
  bool colon() { return token(':'); }
  bool comma() { return token(','); }
  bool at_end() {
    skip_space();
    return at_ == end_;
  }
  bool number(std::int32_t& out);
  bool string(std::string_view& out);

 private:
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool token(char c) {
    skip_space();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] const char* plain_end(const char* from) const;
  bool unescape(std::string_view& out);
  bool escape(char*& to);
  bool utf16(std::uint32_t& unit);

  const char* at_;
  const char* end_;
  Arena& arena_;
};

}  // namespace rmq::wire
