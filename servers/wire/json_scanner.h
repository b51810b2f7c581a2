// A cursor over the plain JSON (well-formed UTF-8) that RocketMQ's clients write; anything beyond it is for
// json::parse. Used by RequestDecoder alone.
#pragma once

#include <bit>
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
  bool string(std::string_view& out) {
    if (!token('"')) return false;
    const char* stop = plain_end(at_);
    if (stop == end_) return false;
    if (*stop != '"') return unescape(out);
    out = {at_, static_cast<std::size_t>(stop - at_)};
    at_ = stop + 1;
    return true;
  }

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
  // The high bit of each byte that ends a run of plain text: a quote, a backslash, a control character.
  static std::uint64_t special_bytes(std::uint64_t word) {
    constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
    constexpr std::uint64_t kHigh = 0x8080808080808080ULL;
    const std::uint64_t quote = word ^ (kOnes * '"');
    const std::uint64_t backslash = word ^ (kOnes * '\\');
    // (x - 1) & ~x has the high bit where a byte is zero; false alarms only above a true one.
    return (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) |
            ((word - kOnes * 0x20) & ~word)) &
           kHigh;
  }
  [[nodiscard]] const char* plain_end(const char* from) const {
    static_assert(std::endian::native == std::endian::little);
    while (end_ - from >= 8) {
      std::uint64_t word;
      std::memcpy(&word, from, 8);
      if (const std::uint64_t special = special_bytes(word); special != 0)
        return from + std::countr_zero(special) / 8;
      from += 8;
    }
    while (from != end_ && *from != '"' && *from != '\\' && static_cast<unsigned char>(*from) >= 0x20) ++from;
    return from;
  }
  bool unescape(std::string_view& out);
  bool escape(char*& to);
  bool utf16(std::uint32_t& unit);

  const char* at_;
  const char* end_;
  Arena& arena_;
};

}  // namespace rmq::wire
