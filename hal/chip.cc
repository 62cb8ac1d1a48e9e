#include "hal/chip.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/submission.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/base/status_macros.h"

namespace openhpu::hal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Sorted by name: the build rule lists the files in that order.
constexpr struct {
  const char* name;
  const char* text;
} kShipped[] = {
#include "hal/shipped_chips.inc"
};

class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text_.empty()) return;
    // Both count from 0; a negative line is an error of the whole text.
    text_ = line < 0 ? message : absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }
  void AddWarning(int line, int column, const std::string& message) override {
    AddError(line, column, message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Text is std::string in here: Debian's absl::string_view is a type of its own, and converts from
// that only.
absl::Status Bad(const std::string& field, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

bool IsNumber(const FieldDescriptor& field) {
  return field.message_type() != nullptr &&
         field.message_type()->full_name() == Number::descriptor()->full_name();
}

// Fields that chips of dialect gaudi2 have and others do not.
const std::set<std::string>& FieldsOfGaudi2() {
  static const auto* fields = new std::set<std::string>{"address_map.host_page_bytes",
                                                        "address_map.host_huge_va_start",
                                                        "address_map.host_huge_va_end",
                                                        "address_map.host_huge_page_bytes",
                                                        "address_map.dram_va_start",
                                                        "address_map.dram_va_end",
                                                        "address_map.dram_page_bytes",
                                                        "sync.completion_queues",
                                                        "sync.first_user_completion_queue",
                                                        "dma.pdma_count",
                                                        "dma.edma_count",
                                                        "dma.efficiency_permille",
                                                        "mme.fp8_rate_permille",
                                                        "mme.fp16_rate_permille",
                                                        "mme.tf32_rate_permille",
                                                        "mme.fp32_rate_permille",
                                                        "mme.fp32_ieee_rate_permille",
                                                        "mme.half_accumulators",
                                                        "mme.sb_ports_per_array",
                                                        "mme.input_ports_per_engine"};
  return *fields;
}

bool IsGaudi2(const Chip& chip) { return chip.dialect() == "gaudi2"; }

// Every field of `message` that chips of the dialect have is there, no other is, and every Number
// says where it comes from. A note about studies is checked apart.
absl::Status CheckComplete(const Message& message, const std::string& prefix, bool gaudi2) {
  const Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    const std::string name = absl::StrCat(prefix, field->name());
    if (field->type() == FieldDescriptor::TYPE_BOOL || name == "studies_note") continue;
    if (!gaudi2 && FieldsOfGaudi2().count(name) != 0) {
      if (reflection.HasField(message, field)) return Bad(name, "not of this dialect");
      continue;
    }
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      if (reflection.GetString(message, field).empty()) return Bad(name, "absent");
      continue;
    }
    if (!reflection.HasField(message, field)) return Bad(name, "absent");
    const Message& child = reflection.GetMessage(message, field);
    if (!IsNumber(*field)) {
      RETURN_IF_ERROR(CheckComplete(child, absl::StrCat(name, "."), gaudi2));
      continue;
    }
    const auto& number = static_cast<const Number&>(child);
    if (number.confidence() == CONFIDENCE_UNSPECIFIED) return Bad(name, "has no confidence");
    if (!Confidence_IsValid(number.confidence())) return Bad(name, "has an unknown confidence");
    if (number.source().empty()) return Bad(name, "has no source");
  }
  return absl::OkStatus();
}

bool IsPowerOfTwo(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }

// What a message of Numbers must satisfy, one line a rule. Names the field in the error.
#define CHECK_FIELD(field, condition, what)                                                   \
  do {                                                                                        \
    [[maybe_unused]] const uint64_t v = chip.field().value();                                 \
    if (!(condition)) return Bad(FieldName(#field), absl::StrCat("is ", v, ", must ", what)); \
  } while (false)

// "tpc().count" as the chip file spells it.
std::string FieldName(const std::string& expression) {
  return absl::StrJoin(absl::StrSplit(expression, "()"), "");
}

struct Region {
  const char* name;
  uint64_t begin, end;
};

absl::Status CheckAddressMap(const Chip& chip) {
  CHECK_FIELD(address_map().cache_line_bytes, IsPowerOfTwo(v), "be a power of two");
  const AddressMap& map = chip.address_map();
  const uint64_t dram_end = map.dram_base().value() + map.dram_bytes().value();
  CHECK_FIELD(address_map().dram_user_base, v >= map.dram_base().value() && v < dram_end,
              "lie in DRAM");
  CHECK_FIELD(address_map().sram_reserved_bytes, v < map.sram_bytes().value(),
              "leave SRAM to the user");
  CHECK_FIELD(address_map().host_va_end, v > map.host_va_start().value(), "be above host_va_start");
  std::vector<Region> regions = {
      {"dram", map.dram_base().value(), dram_end},
      {"sram", map.sram_base().value(), map.sram_base().value() + map.sram_bytes().value()},
      {"cfg", map.cfg_base().value(), map.cfg_base().value() + map.cfg_bytes().value()},
      {"host_va", map.host_va_start().value(), map.host_va_end().value()},
  };
  if (IsGaudi2(chip)) {
    CHECK_FIELD(address_map().host_page_bytes, IsPowerOfTwo(v), "be a power of two");
    CHECK_FIELD(address_map().host_huge_page_bytes,
                IsPowerOfTwo(v) && v > map.host_page_bytes().value(),
                "be a power of two above host_page_bytes");
    // Not a power of two: it follows the number of stacks.
    CHECK_FIELD(address_map().dram_page_bytes, v > 0 && v % map.host_page_bytes().value() == 0,
                "be a positive multiple of host_page_bytes");
    CHECK_FIELD(address_map().dram_va_end,
                v > map.dram_va_start().value() &&
                    v - map.dram_va_start().value() >= map.dram_bytes().value(),
                "leave room for all of DRAM above dram_va_start");
    regions.push_back(
        {"host_huge_va", map.host_huge_va_start().value(), map.host_huge_va_end().value()});
    regions.push_back({"dram_va", map.dram_va_start().value(), map.dram_va_end().value()});
  }
  for (const Region& a : regions) {
    if (a.begin >= a.end) {
      return Bad("address_map", absl::StrCat(a.name, " is empty or passes the end of addresses"));
    }
    for (const Region& b : regions) {
      if (&a != &b && a.begin < b.end && b.begin < a.end) {
        return Bad("address_map", absl::StrCat(a.name, " overlaps ", b.name));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckQueuesAndSync(const Chip& chip) {
  const SyncManagers& sync = chip.sync();
  CHECK_FIELD(sync().count, v > 0, "be positive");
  // A monitor watches a group of eight.
  CHECK_FIELD(sync().sobs, v > 0 && v % 8 == 0, "be a positive multiple of 8");
  CHECK_FIELD(sync().monitors, v > 0, "be positive");
  CHECK_FIELD(sync().user_manager, v < sync.count().value(), "be below sync.count");
  CHECK_FIELD(sync().first_user_sob, v < sync.sobs().value(), "be below sync.sobs");
  CHECK_FIELD(sync().first_user_monitor, v < sync.monitors().value(), "be below sync.monitors");

  CHECK_FIELD(qman().streams, v > 0, "be positive");
  CHECK_FIELD(qman().clock_mhz, v > 0, "be positive");
  CHECK_FIELD(qman().fetch_line_bytes, IsPowerOfTwo(v) && v >= 16,
              "be a power of two that holds the header of any packet");
  CHECK_FIELD(qman().fetch_lines_in_flight, v > 0, "be positive");
  CHECK_FIELD(qman().pq_entries_external, IsPowerOfTwo(v), "be a power of two");
  CHECK_FIELD(qman().pq_entries_dma, IsPowerOfTwo(v), "be a power of two");
  CHECK_FIELD(qman().pq_entries_compute, IsPowerOfTwo(v), "be a power of two");
  CHECK_FIELD(qman().max_pending_cs, IsPowerOfTwo(v), "be a power of two");
  return absl::OkStatus();
}

absl::Status CheckEngines(const Chip& chip) {
  const uint64_t dmas = chip.dma().count().value();
  CHECK_FIELD(dma().count, v > 0 && v < 64, "be 1 to 63");
  CHECK_FIELD(dma().host_facing_mask, v != 0 && v >> dmas == 0, "name engines there are");
  CHECK_FIELD(dma().compute_mask, v != 0 && v >> dmas == 0, "name engines there are");
  CHECK_FIELD(dma().compute_mask, (v & chip.dma().host_facing_mask().value()) == 0,
              "not share an engine with dma.host_facing_mask");
  CHECK_FIELD(dma().clock_mhz, v > 0, "be positive");
  CHECK_FIELD(dma().bytes_per_cycle, v > 0, "be positive");
  CHECK_FIELD(dma().shadow_descriptors, v > 0, "be positive");
  CHECK_FIELD(dma().transpose_bytes_per_cycle, v > 0, "be positive");

  CHECK_FIELD(mme().count, v > 0, "be positive");
  CHECK_FIELD(mme().clock_mhz, v > 0, "be positive");
  CHECK_FIELD(mme().rows_bf16, v > 0, "be positive");
  CHECK_FIELD(mme().cols_bf16, v > 0, "be positive");
  CHECK_FIELD(mme().rows_fp32, v > 0, "be positive");
  CHECK_FIELD(mme().cols_fp32, v > 0, "be positive");
  CHECK_FIELD(mme().arrays_per_engine, v > 0, "be positive");
  CHECK_FIELD(mme().accumulators, v > 0, "be positive");
  CHECK_FIELD(mme().sb_lines, v > 0, "be positive");
  CHECK_FIELD(mme().max_sb_reuse, v > 0 && v <= 256, "be 1 to 256");
  CHECK_FIELD(mme().shadow_descriptors, v > 0, "be positive");
  CHECK_FIELD(mme().bytes_per_cycle, v > 0, "be positive");

  CHECK_FIELD(tpc().count, v > 0, "be positive");
  CHECK_FIELD(tpc().clock_mhz, v > 0, "be positive");
  CHECK_FIELD(tpc().vector_bytes, IsPowerOfTwo(v), "be a power of two");
  CHECK_FIELD(tpc().icache_bytes, v > 0, "be positive");
  CHECK_FIELD(tpc().cycles_per_vector_access, v > 0, "be positive");
  CHECK_FIELD(tpc().bytes_per_cycle, v > 0, "be positive");
  return absl::OkStatus();
}

absl::Status CheckMemory(const Chip& chip) {
  CHECK_FIELD(memory().sram_bytes_per_second, v > 0, "be positive");
  CHECK_FIELD(memory().hbm_channels, v > 0, "be positive");
  CHECK_FIELD(memory().hbm_interleave_bytes,
              IsPowerOfTwo(v) && v >= chip.address_map().cache_line_bytes().value(),
              "be a power of two and at least a cache line");
  CHECK_FIELD(memory().hbm_bytes_per_second, v > 0, "be positive");
  CHECK_FIELD(memory().hbm_read_write_turn_permille, v > 0 && v <= 1000, "be 1 to 1000");
  CHECK_FIELD(memory().noc_corner_bytes_per_second, v > 0, "be positive");
  CHECK_FIELD(memory().pcie_bytes_per_second, v > 0, "be positive");
  return absl::OkStatus();
}

std::string AtMost(uint64_t limit) { return absl::StrCat("be at most ", limit); }

// What the packets and register blocks of dialect gaudi can name.
absl::Status CheckGaudi(const Chip& chip) {
  using abi::gaudi::kMmeAccumulators;
  using abi::gaudi::kMmeShadows;
  using abi::gaudi::kNumDmas;
  using abi::gaudi::kNumMmePairs;
  using abi::gaudi::kNumNics;
  using abi::gaudi::kNumSyncManagers;
  using abi::gaudi::kNumTpcs;
  namespace qman = abi::gaudi::qman;
  namespace sync_manager = abi::gaudi::sync_manager;
  CHECK_FIELD(sync().count, v <= kNumSyncManagers, AtMost(kNumSyncManagers));
  CHECK_FIELD(sync().sobs, v <= sync_manager::kNumSobs, AtMost(sync_manager::kNumSobs));
  CHECK_FIELD(sync().monitors, v <= sync_manager::kNumMonitors, AtMost(sync_manager::kNumMonitors));
  CHECK_FIELD(qman().streams, v == qman::kNumStreams, absl::StrCat("be ", qman::kNumStreams));
  CHECK_FIELD(dma().count, v <= kNumDmas, AtMost(kNumDmas));
  CHECK_FIELD(dma().host_facing_mask, (v & ~uint64_t{3}) == 0, "name engines 0 and 1 only");
  CHECK_FIELD(mme().count, v <= kNumMmePairs, AtMost(kNumMmePairs));
  CHECK_FIELD(mme().arrays_per_engine, v == 2, "be 2: one descriptor serves a pair");
  CHECK_FIELD(mme().shadow_descriptors, v <= kMmeShadows, AtMost(kMmeShadows));
  CHECK_FIELD(mme().stacked_arrays, v == 1, "be 1: a pair shares the rows of S");
  CHECK_FIELD(mme().interleaved_ports, v == 1, "be 1: S has one port");
  CHECK_FIELD(mme().accumulators, v <= kMmeAccumulators, AtMost(kMmeAccumulators));
  CHECK_FIELD(tpc().count, v <= kNumTpcs, AtMost(kNumTpcs));
  CHECK_FIELD(nic().ports, v <= kNumNics, AtMost(kNumNics));
  return absl::OkStatus();
}

// And of dialect gaudi2. A chip for studies may have more DCOREs, and more TPCs in each.
absl::Status CheckGaudi2(const Chip& chip) {
  namespace abi = abi::gaudi2;
  namespace sync_manager = abi::sync_manager;
  const bool studies = chip.studies_only();
  const uint64_t dcores = chip.sync().count().value();
  const uint64_t max_dcores = studies ? abi::kMaxStudyDcores : abi::kNumDcores;
  const uint64_t max_mmes = studies ? dcores : abi::kNumMmes;
  const uint64_t max_tpcs = dcores * (studies ? abi::kMaxStudyTpcsPerDcore : abi::kTpcsPerDcore);
  CHECK_FIELD(sync().count, v <= max_dcores, AtMost(max_dcores));
  CHECK_FIELD(sync().sobs, v <= sync_manager::kNumSobs, AtMost(sync_manager::kNumSobs));
  CHECK_FIELD(sync().monitors, v <= sync_manager::kNumMonitors, AtMost(sync_manager::kNumMonitors));
  CHECK_FIELD(sync().completion_queues, v > 0 && v <= sync_manager::kNumCqs,
              absl::StrCat("be 1 to ", sync_manager::kNumCqs));
  CHECK_FIELD(sync().first_user_completion_queue,
              v >= abi::kFirstUserCompletionQueue && v < chip.sync().completion_queues().value(),
              "leave the kernel its queues and be below sync.completion_queues");
  CHECK_FIELD(sync().first_user_sob, v >= abi::kMaxSubmissions,
              "leave the kernel the objects of its submissions");
  CHECK_FIELD(qman().streams, v == abi::qman::kNumStreams,
              absl::StrCat("be ", abi::qman::kNumStreams));
  CHECK_FIELD(qman().max_pending_cs, v <= abi::kMaxSubmissions, AtMost(abi::kMaxSubmissions));

  const uint64_t pdmas = chip.dma().pdma_count().value(), edmas = chip.dma().edma_count().value();
  CHECK_FIELD(dma().pdma_count, v > 0 && v <= abi::kNumPdmas,
              absl::StrCat("be 1 to ", abi::kNumPdmas));
  CHECK_FIELD(dma().edma_count, v > 0 && v <= dcores * abi::kEdmasPerDcore,
              absl::StrCat("be 1 to ", dcores * abi::kEdmasPerDcore));
  CHECK_FIELD(dma().count, v == pdmas + edmas, "be dma.pdma_count + dma.edma_count");
  CHECK_FIELD(dma().host_facing_mask, v >> pdmas == 0, "name PDMAs only");
  CHECK_FIELD(dma().efficiency_permille, v > 0 && v <= 1000, "be 1 to 1000");

  CHECK_FIELD(mme().count, v <= max_mmes, AtMost(max_mmes));
  CHECK_FIELD(mme().arrays_per_engine, v == 2, "be 2: one descriptor serves a master and a slave");
  CHECK_FIELD(mme().stacked_arrays, v == 2, "be 2: master and slave share the columns of B");
  CHECK_FIELD(mme().interleaved_ports, v == 4, "be 4: two cores of two ports");
  CHECK_FIELD(mme().rows_bf16, v == abi::kMmeCoreRows, absl::StrCat("be ", abi::kMmeCoreRows));
  CHECK_FIELD(mme().cols_bf16, v == abi::kMmeCoreCols, absl::StrCat("be ", abi::kMmeCoreCols));
  CHECK_FIELD(mme().rows_fp32, v == abi::kMmeCoreRows, absl::StrCat("be ", abi::kMmeCoreRows));
  CHECK_FIELD(mme().cols_fp32, v == abi::kMmeCoreCols, absl::StrCat("be ", abi::kMmeCoreCols));
  CHECK_FIELD(mme().fp8_rate_permille, v > 0, "be positive");
  CHECK_FIELD(mme().fp16_rate_permille, v > 0, "be positive");
  CHECK_FIELD(mme().tf32_rate_permille, v > 0, "be positive");
  CHECK_FIELD(mme().fp32_rate_permille, v > 0, "be positive");
  CHECK_FIELD(mme().fp32_ieee_rate_permille, v > 0, "be positive");
  CHECK_FIELD(mme().shadow_descriptors, v <= abi::kMmeDescriptorSlots,
              AtMost(abi::kMmeDescriptorSlots));
  CHECK_FIELD(mme().accumulators, v <= abi::kMmeAccumulators, AtMost(abi::kMmeAccumulators));
  CHECK_FIELD(mme().half_accumulators, v == 2 * chip.mme().accumulators().value(),
              "be twice mme.accumulators");
  CHECK_FIELD(mme().sb_ports_per_array, v > 0 && v <= abi::kMmeInputAgus,
              absl::StrCat("be 1 to ", abi::kMmeInputAgus));
  CHECK_FIELD(mme().input_ports_per_engine,
              v > 0 && v <= 2 * chip.mme().sb_ports_per_array().value(),
              "be positive and at most both arrays' ports");
  CHECK_FIELD(tpc().count, v <= max_tpcs, AtMost(max_tpcs));
  CHECK_FIELD(nic().ports, v <= abi::kNumNics, AtMost(abi::kNumNics));
  return absl::OkStatus();
}

absl::Status CheckDialect(const Chip& chip) {
  if (chip.studies_only() && chip.studies_note().empty()) return Bad("studies_note", "absent");
  if (!chip.studies_only() && !chip.studies_note().empty()) {
    return Bad("studies_note", "there, but not studies_only");
  }
  if (IsGaudi2(chip)) return CheckGaudi2(chip);
  if (chip.dialect() == "gaudi") return CheckGaudi(chip);
  return Bad("dialect",
             absl::StrCat("is \"", chip.dialect(), "\", must be \"gaudi\" or \"gaudi2\""));
}

#undef CHECK_FIELD

absl::Status WithPrefix(const absl::Status& status, const std::string& where) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(where, ": ", status.message()));
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->message_type() != nullptr) names.push_back(type.field(i)->name());
  }
  return names;
}

}  // namespace

std::vector<std::string> ShippedChips() {
  std::vector<std::string> names;
  for (const auto& shipped : kShipped) names.push_back(shipped.name);
  return names;
}

absl::StatusOr<Chip> LoadChip(std::string_view chip) {
  const std::string name(chip);
  for (const auto& shipped : kShipped) {
    if (name == shipped.name) return ParseChip(shipped.text, absl::StrCat("chip ", name));
  }
  if (name.find('/') == std::string::npos) {
    return absl::NotFoundError(absl::StrCat("no chip is called \"", name, "\"; there are ",
                                            absl::StrJoin(ShippedChips(), ", "),
                                            ", and a path with a slash names a file"));
  }
  std::ifstream file(name);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read chip file ", name));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return ParseChip(text, name);
}

absl::StatusOr<Chip> ParseChip(std::string_view text, std::string_view where_view) {
  const std::string where(where_view);
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  Chip chip;
  if (!parser.ParseFromString(std::string(text), &chip) || !error.text().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ":", error.text()));
  }
  RETURN_IF_ERROR(WithPrefix(CheckChip(chip), where));
  return chip;
}

absl::Status CheckChip(const Chip& chip) {
  RETURN_IF_ERROR(CheckComplete(chip, "", IsGaudi2(chip)));
  RETURN_IF_ERROR(CheckAddressMap(chip));
  RETURN_IF_ERROR(CheckQueuesAndSync(chip));
  RETURN_IF_ERROR(CheckEngines(chip));
  RETURN_IF_ERROR(CheckMemory(chip));
  return CheckDialect(chip);
}

AddressRange UserDram(const Chip& chip) {
  const AddressMap& map = chip.address_map();
  const uint64_t reserved = map.dram_user_base().value() - map.dram_base().value();
  return {map.has_dram_va_start() ? map.dram_va_start().value() : map.dram_user_base().value(),
          map.dram_bytes().value() - reserved};
}

absl::Status OverrideChip(std::string_view path_view, uint64_t value, Chip& chip) {
  const std::string path(path_view);
  Message* message = &chip;
  std::string walked;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(path, '.'))) {
    const Descriptor& type = *message->GetDescriptor();
    const FieldDescriptor* field = nullptr;
    if (type.full_name() != Number::descriptor()->full_name()) field = type.FindFieldByName(name);
    if (field == nullptr || field->message_type() == nullptr) {
      return Bad(path, absl::StrCat("no number is called so; ",
                                    walked.empty() ? std::string("a chip") : walked, " has ",
                                    absl::StrJoin(FieldNames(type), ", ")));
    }
    message = message->GetReflection()->MutableMessage(message, field);
    absl::StrAppend(&walked, walked.empty() ? "" : ".", name);
  }
  if (message->GetDescriptor()->full_name() != Number::descriptor()->full_name()) {
    return Bad(path, absl::StrCat("is not a number; it has ",
                                  absl::StrJoin(FieldNames(*message->GetDescriptor()), ", ")));
  }
  auto& number = static_cast<Number&>(*message);
  number.set_value(value);
  number.set_confidence(CHOSEN);
  number.set_source("override");
  return absl::OkStatus();
}

}  // namespace openhpu::hal
