"""The table of presets: options of published models, with their papers."""

from .papers import PAPERS
from .preset import Preset
from .preset_recipes import AAE, AAE_UNLABELLED, FAST, RAE, SHARP, TEN_NORMALS, TWO_LATENTS

PRESETS = {
    "vae": Preset(PAPERS["kingma-2014"]),
    "vae-fast": Preset(
        PAPERS["kingma-2014"],
        FAST,
        "The activation, the initial output bias and the learning rate are a recipe of vaecli.",
    ),
    "sharp": Preset(
        PAPERS["ghosh-2020"],
        {**SHARP, "fitted_prior": "mixture:components=400"},
        "A VAE with a KL weight of 0.2 and the recipe of vae-fast, where the paper's own models "
        "have deterministic encoders. The mixture has 400 components, not 10, and latents are "
        "drawn with half of the posterior's noise.",
    ),
    "sharp-conditional": Preset(
        PAPERS["ghosh-2020"],
        {
            **SHARP,
            "conditional": True,
            "prior": "conditional",
            "fitted_prior": "mixture:components=20",
        },
        "As sharp, with a mixture of 20 components for each label, where the paper has no labels.",
    ),
    "beta-vae": Preset(PAPERS["higgins-2017"], {"objective": "elbo:beta=4"}),
    "annealing": Preset(
        PAPERS["sonderby-2016"],
        {"objective": "elbo:annealing_epochs=10"},
        "One level of latents, where the paper has five; beta rises over 10 epochs, not 200.",
    ),
    "cyclical": Preset(
        PAPERS["fu-2019"],
        {"objective": "elbo:cycle_epochs=5"},
        "Images, where the paper has text; a cycle takes 5 epochs, where the paper divides all "
        "training into 4 cycles.",
    ),
    "capacity": Preset(
        PAPERS["burgess-2018"],
        {"objective": "elbo:capacity=25,capacity_epochs=25,capacity_weight=10"},
        "The weight is 10, not 1000: with either the rate follows its target, but after 4 epochs "
        "1000 left a distortion of 207 nats, and 10 one of 143.",
    ),
    "free-bits": Preset(
        PAPERS["kingma-2016"],
        {"objective": "elbo:free_bits=1,free_bits_groups=0"},
        "Of the paper only this term: no flow and no levels of latents. A group is one latent, "
        "where the paper's is a feature map.",
    ),
    "iwae": Preset(
        PAPERS["burda-2016"],
        {"objective": "iwae:samples=8"},
        "8 samples, where the paper has 5 and 50.",
    ),
    "miwae": Preset(
        PAPERS["rainforth-2018"],
        {"objective": "iwae:samples=4,bounds=4"},
        "4 bounds of 4 samples, where the paper has 64 samples in all.",
    ),
    "ciwae": Preset(
        PAPERS["rainforth-2018"],
        {"objective": "iwae:samples=8,beta=0.05"},
        "8 samples, where the paper has 64.",
    ),
    "piwae": Preset(
        PAPERS["rainforth-2018"],
        {"objective": "piwae:samples=4,bounds=4"},
        "4 bounds of 4 samples, where the paper has 64 samples in all.",
    ),
    "renyi": Preset(
        PAPERS["li-2016"], {"objective": "renyi"}, "8 samples, where the paper has 5 and 50."
    ),
    "dreg": Preset(
        PAPERS["tucker-2019"], {"objective": "dreg:samples=8"}, "8 samples, where the paper has 64."
    ),
    "vamp": Preset(
        PAPERS["tomczak-2018"],
        {"prior": "vamp:components=100"},
        "100 pseudo-inputs, where the paper has 500; no gated layers, and beta is not annealed.",
    ),
    "gmm": Preset(
        PAPERS["jiang-2017"],
        {"prior": "mixture:components=10"},
        "Nothing is pretrained, where the paper starts from an autoencoder and a mixture fitted to "
        "its latents. The cluster is summed out, which is the bound with q(c|x) = p(c|z).",
    ),
    "flow-prior": Preset(
        PAPERS["xu-2019"],
        {"prior": "flow"},
        "The flow is smaller than the paper's: 4 couplings of 64 hidden units.",
    ),
    "flow-posterior": Preset(
        PAPERS["rezende-2015"],
        {"posterior": "flow"},
        "The flow is 4 couplings of Real NVP (Dinh et al., 2017) that read the image, where the "
        "paper has planar and radial flows; beta is not annealed.",
    ),
    "planar-flow": Preset(
        PAPERS["rezende-2015"],
        {"posterior": "planar"},
        "8 planar flows, where the paper has up to 80; beta is not annealed.",
    ),
    "iaf": Preset(
        PAPERS["kingma-2016"],
        {"posterior": "iaf"},
        "2 steps of 128 hidden units, where the paper has up to 8 of 1,920; no free bits.",
    ),
    "cvae": Preset(
        PAPERS["kingma-2014-labels"],
        # With more dimensions samples miss their label.
        {"conditional": True, "latent_dim": 3},
        "Of the paper the bound of labelled images alone: every label is known, so that there is "
        "no classifier.",
    ),
    "cvae-prior": Preset(
        PAPERS["sohn-2015"],
        {"conditional": True, "prior": "conditional"},
        "The model generates images given the label, where the paper predicts an output given an "
        "image, and adds a term without the posterior (hybrid objective).",
    ),
    "ae": Preset(
        PAPERS["hinton-2006"],
        {**TEN_NORMALS, "objective": "elbo:beta=0"},
        "Trained from random weights, where the paper first trains restricted Boltzmann machines. "
        "The mixture from which samples come is that of Ghosh et al. (2020).",
    ),
    "rae-l2": Preset(PAPERS["ghosh-2020"], {**TEN_NORMALS, "objective": "rae:penalty=l2"}, RAE),
    "rae-gp": Preset(
        PAPERS["ghosh-2020"],
        {**TEN_NORMALS, "objective": "rae:penalty=gp"},
        f"{RAE} The norm of the Jacobian is estimated from a random direction.",
    ),
    "aae": Preset(PAPERS["makhzani-2016"], {"posterior": "dirac", "objective": "adversarial"}, AAE),
    "aae-ring": Preset(
        PAPERS["makhzani-2016"],
        {**TWO_LATENTS, "prior": "ring", "objective": "adversarial:weight=100"},
        AAE_UNLABELLED,
    ),
    "aae-swiss-roll": Preset(
        PAPERS["makhzani-2016"],
        {**TWO_LATENTS, "prior": "swiss-roll", "objective": "adversarial:weight=100"},
        AAE_UNLABELLED,
    ),
    "aae-labels": Preset(
        PAPERS["makhzani-2016"],
        {**TWO_LATENTS, "prior": "ring", "objective": "adversarial:labels=true,weight=100"},
        f"{AAE} The discriminator sees every label, where the paper shows it 10,000.",
    ),
    "wae-mmd": Preset(
        PAPERS["tolstikhin-2018"],
        {"posterior": "dirac", "likelihood": "gaussian", "objective": "wae:weight=500"},
        "The distortion is a Gaussian density of learned scale, with weight 500 for the MMD, where "
        "the paper has a squared error with weight 10. The kernel is a sum of 7 inverse "
        "multiquadrics, where the paper has one.",
    ),
    "info-vae": Preset(
        PAPERS["zhao-2017"],
        {"objective": "wae:kl_weight=0.5"},
        "alpha is 0.5 and lambda 100.5; the kernel is a sum of inverse multiquadrics, where the "
        "paper has a Gaussian.",
    ),
    "swae": Preset(
        PAPERS["kolouri-2019"],
        {"posterior": "dirac", "objective": "swae"},
        "The distortion is a cross entropy, where the paper has a distance between images, such as "
        "the squared error.",
    ),
    "beta-tc-vae": Preset(
        PAPERS["chen-2018"],
        {"objective": "beta-tc"},
        "The total correlation is estimated by stratified sampling, of the paper's appendix, where "
        "its experiments use weighted sampling.",
    ),
    "factor-vae": Preset(
        PAPERS["kim-2018"],
        {"objective": "factor"},
        "The discriminator has 3 layers of 256 units, not 6 of 1000, and its two samples come from "
        "one batch, not two.",
    ),
    "dip-vae": Preset(PAPERS["kumar-2018"], {"objective": "dip"}),
    "vq-vae": Preset(
        PAPERS["oord-2017"],
        {"posterior": "quantized", "prior": "codes", "fitted_prior": "autoregressive"},
        "A latent is 10 codes of a book of 64, where the paper has a grid of codes of a book of "
        "512. Unused codes are reset. The fitted prior is a masked network (MADE) at a temperature "
        "of 0.9, where the paper has a PixelCNN.",
    ),
    "residual-vq": Preset(
        PAPERS["zeghidour-2021"],
        {"posterior": "quantized:levels=2", "prior": "codes", "fitted_prior": "autoregressive"},
        "Of the paper's audio codec only its residual quantizer, with 2 codebooks that are trained "
        "by gradient, not by moving averages. A prior is fitted to the codes, which a codec does "
        "not need.",
    ),
    "hierarchical": Preset(
        PAPERS["tomczak-2018"],
        {"posterior": "hierarchical", "prior": "hierarchical"},
        "The two levels of the paper under N(0, I), without its pseudo-inputs and gated layers.",
    ),
    "ladder": Preset(
        PAPERS["sonderby-2016"],
        {"posterior": "ladder", "prior": "hierarchical"},
        "Two levels, not five. All read the encoder's last layer, where the paper's read a layer "
        "each, and all are decoded, where the paper decodes the lowest. Neither batch norm nor "
        "annealing.",
    ),
    "sigma-vae": Preset(
        PAPERS["rybkin-2021"],
        {"likelihood": "gaussian"},
        "The scale is a learned parameter, where the paper's main method computes it from a batch.",
    ),
    "conv-map": Preset(
        PAPERS["rombach-2022"],
        {
            **FAST,
            "epochs": 20,
            "batch_size": 32,
            "likelihood": "gaussian",
            # with output_bias=zero the latents of MNIST collapse
            "network": "conv:width=32,activation=silu,latent=map,upsampling=shuffle,"
            "output_bias=data",
        },
        "Of the paper only the autoencoder with a KL, of weight 1 and with no other loss. Samples "
        "of N(0, I) are textures, not images: use it to reconstruct and to embed.",
    ),
    "continuous-bernoulli": Preset(
        PAPERS["loaiza-ganem-2019"], {"likelihood": "continuous-bernoulli"}
    ),
    "logistic": Preset(
        PAPERS["kingma-2016"],
        {"likelihood": "logistic"},
        "Of the paper only its distribution of pixels, with a scale for each pixel, where the "
        "paper has one: no flow and no levels of latents.",
    ),
    "laplace": Preset(None, {"likelihood": "laplace"}),
    "svae": Preset(
        PAPERS["davidson-2018"],
        {"posterior": "vmf", "prior": "sphere"},
        "Samples invert the distribution function numerically, where the paper rejects; the "
        "concentration is at most 100,000.",
    ),
    "m2": Preset(
        PAPERS["kingma-2014-labels"],
        {
            "conditional": True,
            "objective": "m2",
            # Without batch norm the classifier, trained on 100 labelled images, makes 1.5 times
            # as many errors.
            "network": "mlp:norm=batch",
            "labels": 100,
            "latent_dim": 5,
            "batch_size": 64,
            "binarize": "dynamic",
        },
        "The cross entropy counts 50 times as much as the mean bound of a batch, half of which is "
        "labelled: against the bound of unlabelled images 1000 times the paper's weight.",
    ),
    "vae-gan": Preset(
        PAPERS["larsen-2016"],
        {"objective": "vae-gan"},
        "gamma multiplies the encoder's terms too; the generator loss is the non-saturating one; "
        "the discriminator has an R1 penalty.",
    ),
}
