#include "tools/cli/repair_plan_file.h"

#include "libstore/bytes/big_endian.h"
#include "libstore/io/read_file_system.h"
#include "libstore/json/json_value.h"

namespace rmq::cli {
namespace {

constexpr std::int64_t kLargestPlan = std::int64_t{1} << 30;

std::string text_of(const json::Value& object, std::string_view name) {
  const json::Value* const value = object.find(name);
  const std::string* const text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : *text;
}

std::optional<std::int64_t> number_of(const json::Value& object, std::string_view name) {
  const json::Value* const value = object.find(name);
  return value == nullptr ? std::nullopt : value->as_int64();
}

}  // namespace

void write_plan_object(json::JsonLine& out, const RepairAsked& asked, const repair::RepairPlan& plan) {
  out.begin_object();
  out.field("kind", "plan");
  out.field("schema", 1);
  out.field("verb", asked.verb);
  out.field("store", asked.store);
  if (asked.preen) out.field("preen", true);
  if (asked.to_offset) out.field("toOffset", *asked.to_offset);
  if (asked.to_time_ms) out.field("toTime", *asked.to_time_ms);
  if (!asked.replica.empty()) out.field("replica", asked.replica);
  out.key("places");
  out.begin_array();
  for (const std::string& place : asked.places) out.value(place);
  out.end_array();
  repair::write_repair_plan(out, plan);
  out.end_object();
  out.end_line();
}

Result<PlanFile> read_plan_file(const std::string& path) {
  const auto bytes = io::read_all(io::posix_read_file_system(), path, kLargestPlan);
  if (!bytes) {
    Error error = bytes.error();
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::wrong_use;
    return error;
  }
  json::ReadLimits limits;
  limits.bytes = static_cast<std::size_t>(kLargestPlan);
  limits.values = std::size_t{64} << 20;
  const auto object = json::parse(as_text(*bytes), limits);
  if (!object) return wrong_use(path + " is no plan: " + object.error().message());
  PlanFile plan;
  plan.asked.verb = text_of(*object, "verb");
  plan.asked.store = text_of(*object, "store");
  plan.plan_hash = text_of(*object, "planHash");
  if (text_of(*object, "kind") != "plan" || number_of(*object, "schema") != 1 || plan.plan_hash.empty() ||
      !plan.asked.store.starts_with('/'))
    return wrong_use(path + " is no plan of this version of rmq-repair");
  const json::Value* const preen = object->find("preen");
  plan.asked.preen = preen != nullptr && preen->as_bool().value_or(false);
  plan.asked.to_offset = number_of(*object, "toOffset");
  plan.asked.to_time_ms = number_of(*object, "toTime");
  plan.asked.replica = text_of(*object, "replica");
  const json::Value* const places = object->find("places");
  if (places != nullptr && places->if_array() != nullptr) {
    for (const json::Value& place : places->if_array()->items)
      if (const std::string* word = place.if_string()) plan.asked.places.push_back(*word);
  }
  return plan;
}

}  // namespace rmq::cli
