// A view, of either chip, as it runs and as it touches memory: by a dense form, or walked.
#ifndef SIMULATOR_FUNCTIONAL_MME_FORM_H_
#define SIMULATOR_FUNCTIONAL_MME_FORM_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "simulator/functional/access.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {

// Runs the dense form that MatchMme found in the view; not for monostate.
absl::Status RunMmeForm(const MmeView& view, const MmeForm& form, Arithmetic arithmetic,
                        AddressSpace& memory, MmeState& state);

// What is read of the rows' and the columns' operand (S and L, A and B), and what is written.
struct MmeBoxes {
  std::vector<AccessBox> s, l, o;

  std::vector<AccessBox> All() const;
};

MmeBoxes BoxesOfForm(const MmeView& view, const MmeForm& form);
// Every line of every walk.
absl::StatusOr<MmeBoxes> BoxesOfWalks(const MmeView& view);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_FORM_H_
