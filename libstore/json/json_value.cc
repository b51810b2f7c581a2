#include "libstore/json/json_value.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace rmq::json {

std::string JsonError::message() const {
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what;
}

Object::Object() = default;
Object::Object(const Object&) = default;
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(const Object&) = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

std::size_t Object::size() const { return members_.size(); }
bool Object::operator==(const Object& other) const { return members_ == other.members_; }

Object Object::from_members(std::vector<Member> members) {
  Object object;
  object.members_ = std::move(members);
  std::vector<Member>& all = object.members_;
  std::vector<std::uint32_t>& order = object.by_name_;
  order.resize(all.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto by_name = [&](std::uint32_t a, std::uint32_t b) {
    const int names = all[a].name.compare(all[b].name);
    return names != 0 ? names < 0 : a < b;
  };
  if (!std::is_sorted(order.begin(), order.end(), by_name)) std::sort(order.begin(), order.end(), by_name);
  const auto same_name = [&](std::uint32_t a, std::uint32_t b) { return all[a].name == all[b].name; };
  if (std::adjacent_find(order.begin(), order.end(), same_name) == order.end()) return object;
  // A name that stands twice keeps its first place and takes its last value.
  std::vector<bool> keep(all.size(), false);
  for (std::size_t from = 0; from < order.size();) {
    std::size_t last = from;
    while (last + 1 < order.size() && same_name(order[from], order[last + 1])) ++last;
    if (last != from) all[order[from]].value = std::move(all[order[last]].value);
    keep[order[from]] = true;
    from = last + 1;
  }
  std::vector<Member> unique;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (keep[i]) unique.push_back(std::move(all[i]));
  }
  return from_members(std::move(unique));
}

// Where `name` stands in by_name_, or would.
std::size_t Object::index_of(std::string_view name) const {
  // State files are often read in an order that sorts: the end first.
  if (by_name_.empty() || members_[by_name_.back()].name < name) return by_name_.size();
  return static_cast<std::size_t>(std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                                   [&](std::uint32_t at, std::string_view wanted) {
                                                     return members_[at].name < wanted;
                                                   }) -
                                  by_name_.begin());
}

const Value* Object::find(std::string_view name) const {
  const std::size_t at = index_of(name);
  if (at == by_name_.size() || members_[by_name_[at]].name != name) return nullptr;
  return &members_[by_name_[at]].value;
}

Value* Object::find(std::string_view name) {
  return const_cast<Value*>(static_cast<const Object*>(this)->find(name));
}

void Object::set(std::string_view name, Value value, KeyForm form) {
  const std::size_t at = index_of(name);
  if (at != by_name_.size() && members_[by_name_[at]].name == name) {
    members_[by_name_[at]].value = std::move(value);
    return;
  }
  by_name_.insert(by_name_.begin() + static_cast<std::ptrdiff_t>(at),
                  static_cast<std::uint32_t>(members_.size()));
  members_.push_back(Member{std::string(name), form, std::move(value)});
}

bool Object::erase(std::string_view name) {
  const std::size_t at = index_of(name);
  if (at == by_name_.size() || members_[by_name_[at]].name != name) return false;
  const std::uint32_t gone = by_name_[at];
  members_.erase(members_.begin() + gone);
  by_name_.erase(by_name_.begin() + static_cast<std::ptrdiff_t>(at));
  for (std::uint32_t& position : by_name_) position -= position > gone ? 1U : 0U;
  return true;
}

namespace {

std::optional<std::int64_t> parse_int64(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_double(std::string_view text) {
  double number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::int64_t> Value::as_int64() const {
  if (const auto* number = std::get_if<std::int64_t>(&data_)) return *number;
  if (const auto* number = std::get_if<Number>(&data_)) {
    // BigDecimal.longValue drops the fraction.
    const auto wide = parse_double(number->text);
    if (wide && *wide > -9.2e18 && *wide < 9.2e18) return static_cast<std::int64_t>(*wide);
    return std::nullopt;
  }
  if (const auto* text = std::get_if<std::string>(&data_)) return parse_int64(*text);
  return std::nullopt;
}

std::optional<bool> Value::as_bool() const {
  if (const auto* truth = std::get_if<bool>(&data_)) return *truth;
  if (const auto* number = std::get_if<std::int64_t>(&data_)) return *number == 1;
  if (const auto* text = std::get_if<std::string>(&data_)) {
    std::string lower = *text;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (lower == "true" || lower == "1" || lower == "y" || lower == "t") return true;
    if (lower == "false" || lower == "0" || lower == "n" || lower == "f") return false;
  }
  return std::nullopt;
}

std::optional<double> Value::as_double() const {
  if (const auto* number = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<Number>(&data_)) return parse_double(number->text);
  if (const auto* text = std::get_if<std::string>(&data_)) return parse_double(*text);
  return std::nullopt;
}

}  // namespace rmq::json
