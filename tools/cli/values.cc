#include "tools/cli/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <optional>

namespace rmq::cli {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

Error bad_value(std::string_view flag, const std::string& text, std::string_view want) {
  return wrong_use(std::string(flag) + " '" + text + "' makes no sense; give " + std::string(want));
}

std::optional<std::int64_t> whole_number(std::string_view text, int base = 10) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Digits of a fixed width off the front; nullopt when they are not there.
std::optional<int> take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(width),
                                          [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : text.substr(0, width)) value = value * 10 + (c - '0');
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

struct ClockTime {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int milli = 0;
};

// "03:04", "03:04:05", "03:04:05.678" off the front.
std::optional<ClockTime> take_clock(std::string_view& text) {
  ClockTime clock;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute) return std::nullopt;
  clock.hour = *hour;
  clock.minute = *minute;
  if (take(text, ':')) {
    const auto second = take_digits(text, 2);
    if (!second) return std::nullopt;
    clock.second = *second;
    if (take(text, '.') || take(text, ',')) {
      int scale = 100;
      std::size_t digits = 0;
      for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits) {
        clock.milli += (text.front() - '0') * scale;
        scale /= 10;
      }
      if (digits == 0) return std::nullopt;
    }
  }
  if (clock.hour > 24 || clock.minute > 59 || clock.second > 60) return std::nullopt;
  if (clock.hour == 24 && (clock.minute > 0 || clock.second > 0 || clock.milli > 0)) return std::nullopt;
  return clock;
}

// "Z", "+08:00", "+0800", "+08", or nothing: then `given` stays false.
struct Zone {
  bool given = false;
  std::int64_t seconds_east = 0;
};
std::optional<Zone> take_zone(std::string_view text) {
  if (text.empty()) return Zone{};
  if (text == "Z" || text == "z") return Zone{true, 0};
  const bool east = text.front() == '+';
  if (!east && text.front() != '-') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours) return std::nullopt;
  take(text, ':');
  const auto minutes = text.empty() ? std::optional<int>(0) : take_digits(text, 2);
  if (!minutes || !text.empty() || *hours > 18 || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = *hours * 3600 + *minutes * 60;
  return Zone{true, east ? seconds : -seconds};
}

std::optional<std::int64_t> iso_time(std::string_view text, bool utc) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  ClockTime clock;
  if (!text.empty() && (text.front() == 'T' || text.front() == ' ')) {
    text.remove_prefix(1);
    const auto given = take_clock(text);
    if (!given) return std::nullopt;
    clock = *given;
  }
  const auto zone = take_zone(text);
  if (!zone) return std::nullopt;
  std::tm date{};
  date.tm_year = *year - 1900;
  date.tm_mon = *month - 1;
  date.tm_mday = *day;
  date.tm_hour = clock.hour;
  date.tm_min = clock.minute;
  date.tm_sec = clock.second;
  date.tm_isdst = -1;
  std::int64_t seconds = 0;
  if (zone->given || utc) {
    seconds = ::timegm(&date) - zone->seconds_east;
  } else {
    seconds = ::mktime(&date);
  }
  if (date.tm_mday != *day && clock.hour != 24) return std::nullopt;  // 31 February
  return seconds * 1000 + clock.milli;
}

std::optional<std::int64_t> relative_ms(std::string_view text) {
  static constexpr std::array<std::pair<char, std::int64_t>, 5> kUnits{
      {{'s', 1000}, {'m', 60'000}, {'h', 3'600'000}, {'d', kDayMs}, {'w', 7 * kDayMs}}};
  if (text.size() < 2) return std::nullopt;
  const auto unit = std::ranges::find(kUnits, text.back(), [](const auto& entry) { return entry.first; });
  const auto amount = whole_number(text.substr(0, text.size() - 1));
  if (unit == kUnits.end() || !amount || *amount > std::numeric_limits<std::int64_t>::max() / unit->second) {
    return std::nullopt;
  }
  return *amount * unit->second;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Result<std::int64_t> parse_time(std::string_view flag, const std::string& text, bool utc,
                                std::int64_t now_ms) {
  if (text.size() > 1 && text.front() == '-') {
    if (const auto back = relative_ms(std::string_view(text).substr(1))) return now_ms - *back;
  } else if (const auto ms = whole_number(text)) {
    // As milliseconds 20260131 is a morning in 1970, and 20260131183000 an afternoon in 2612.
    if ((text.size() == 8 || text.size() == 14) &&
        iso_time(text.substr(0, 4) + '-' + text.substr(4, 2) + '-' + text.substr(6, 2), true)) {
      return bad_value(flag, text, "dashes and colons to a date: 2026-01-31T18:30:00");
    }
    return *ms;
  } else if (const auto time = iso_time(text, utc)) {
    return *time;
  }
  return bad_value(flag, text,
                   "a time like 2026-01-31T18:30:00+08:00, epoch milliseconds, or -2h (s, m, h, d, w)");
}

Result<std::int64_t> parse_offset(std::string_view flag, const std::string& text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const auto value = hex ? whole_number(std::string_view(text).substr(2), 16) : whole_number(text);
  if (!value || *value < 0) return bad_value(flag, text, "an offset, decimal or 0x and hex digits");
  return *value;
}

Result<std::int64_t> parse_count(std::string_view flag, const std::string& text, std::int64_t least,
                                 std::int64_t most) {
  const auto value = whole_number(text);
  if (!value || *value < least || *value > most) {
    return bad_value(flag, text, "a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return *value;
}

Result<std::int64_t> parse_size(std::string_view flag, const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  if (unit.ends_with("iB")) unit.resize(unit.size() - 2);
  if (unit.ends_with("B") || unit.ends_with("b")) unit.pop_back();
  constexpr std::string_view kUnits = "KMGT";
  double factor = 1;
  if (unit.size() == 1) {
    const std::size_t power =
        kUnits.find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0]))));
    factor = power == std::string_view::npos ? 0 : std::exp2(10.0 * static_cast<double>(power + 1));
  } else if (!unit.empty()) {
    factor = 0;
  }
  if (error != std::errc() || !(number > 0) || factor <= 0 || number * factor > 9e18) {
    return bad_value(flag, text, "a size like 4096, 64K, 100M or 1G");
  }
  return static_cast<std::int64_t>(number * factor);
}

Result<std::int64_t> parse_duration(std::string_view flag, const std::string& text) {
  const auto seconds = whole_number(text);
  const auto ms = seconds ? relative_ms(text + "s") : relative_ms(text);
  if (!ms || *ms <= 0 || *ms > 366 * kDayMs) return bad_value(flag, text, "seconds, or 90s, 2m, 1h");
  return *ms;
}

Result<std::vector<forensics::NumberRange>> parse_ranges(std::string_view flag, const std::string& text) {
  std::vector<forensics::NumberRange> ranges;
  for (const std::string& part : split_commas(text)) {
    const std::size_t dash = part.find('-');
    const auto first = whole_number(std::string_view(part).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : whole_number(std::string_view(part).substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first) {
      return bad_value(flag, text, "queue ids like 0,3-5");
    }
    ranges.push_back({*first, *last});
  }
  if (ranges.empty()) return bad_value(flag, text, "queue ids like 0,3-5");
  return ranges;
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) parts.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return parts;
}

std::string nearest(std::string_view typed, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(typed.size() / 3, 2) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(typed, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace rmq::cli
